import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { Cgroup, Container, type ContainerOptions, NacelleError, reap } from '../../lib/index.js';
import { throughUser } from '../fixtures/become-user.js';
import { compile } from '../fixtures/compile.js';
import { removeGroups } from '../fixtures/groups.js';
import {
  cgroupFolders,
  cgroupMounts,
  descendants,
  folderOf,
  isAlive,
  type ProcessInfo,
  pidOf,
  processInfo,
  readText,
  shimOf,
} from '../fixtures/host.js';
import { leftovers, snapshot, useLeakCheck } from '../fixtures/leaks.js';
import { type NodeProgram, startNode } from '../fixtures/node.js';
import { givingIds, USER } from '../fixtures/ordinary-user.js';
import { seededRandom } from '../fixtures/random.js';
import { requires } from '../fixtures/requires.js';
import { busybox, sh } from '../fixtures/sandbox.js';
import { temporaryFolder } from '../fixtures/temporary.js';
import { findTool } from '../fixtures/tools.js';
import { until } from '../fixtures/until.js';

useLeakCheck();
const { describe, it } = requires({ root: true, tools: ['busybox'] });
const seed = Number(process.env.NACELLE_SEED ?? 1);
const kills = Number(process.env.NACELLE_KILLS ?? 10);

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const isThere = (info: ProcessInfo): boolean => isAlive(info.pid) && processInfo(info.pid)?.startTime === info.startTime;

/** A Node process that runs containers of several kinds, side by side and without end; at some instant of its life. */
async function busyNode(random: () => number): Promise<NodeProgram> {
  const program = startNode('busy');
  // A third of them while it still starts, the others in the middle of their work.
  if (random() < 1 / 3) {
    await sleep(random() * 800);
  } else {
    await program.lines.next();
    await sleep(random() * 100);
  }
  return program;
}

/** Stopped first, so that everything it has begun is known; then gone without a word. */
async function killNode(program: NodeProgram, withShim: boolean): Promise<void> {
  if (program.process.exitCode !== null) throw new Error(`it ended by itself: ${(await program.ended).stderr}`);
  process.kill(program.pid, 'SIGSTOP');
  const below = descendants(program.pid);
  if (withShim) for (const shim of below.filter((info) => info.command === 'nacelle-shim')) kill(shim.pid);
  process.kill(program.pid, 'SIGKILL');
  await program.ended;
  const waitFor = withShim ? below.filter((info) => info.command === 'nacelle-shim') : below;
  await until('everything below it has ended', () => !waitFor.some(isThere));
}

/** A child of the shim that has its name still may have ended with it. */
function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if (!(error instanceof Error) || !('code' in error) || error.code !== 'ESRCH') throw error;
  }
}

describe('SIGKILL of Node', () => {
  it(`at ${kills} instants: nothing is left after the shim's clean-up (seed ${seed})`, { timeout: 1_800_000 }, async () => {
    const random = seededRandom(seed);
    for (let round = 0; round < kills; round++) {
      const before = snapshot();
      await killNode(await busyNode(random), false);
      expect(await leftovers(before), `round ${round}`).toEqual([]);
    }
  });

  it(`and of its shim, at ${Math.ceil(kills / 4)} instants: nothing is left after reap() (seed ${seed})`, {
    timeout: 1_800_000,
  }, async () => {
    const random = seededRandom(seed + 1);
    for (let round = 0; round < Math.ceil(kills / 4); round++) {
      const before = snapshot();
      await killNode(await busyNode(random), true);
      await reap();
      expect(await leftovers(before), `round ${round}`).toEqual([]);
    }
  });
});

describe('reap()', () => {
  it('finds what an owner left below a group of its own, where this process is not', async () => {
    // As for two services, each with its group: on v1 the containers of each are made below it.
    const mine = folderOf(process.pid, 'memory');
    const service = join(mine ?? '', `test-service-${process.pid}`);
    mkdirSync(service);
    try {
      const program = startNode('busy', [], { through: ['sh', '-c', 'echo $$ > "$0/cgroup.procs"; exec "$@"', service] });
      const before = snapshot();
      await program.lines.next();
      await killNode(program, true);
      await reap();
      expect(await leftovers(before)).toEqual([]);
    } finally {
      const below = cgroupFolders().filter((path) => path.startsWith(`${service}/`));
      await removeGroups(...below.reverse(), service);
    }
  });

  it('twice at once, beside an owner that lives, touches nothing of it', async () => {
    const owner = startNode('owner');
    const { pid } = JSON.parse(String((await owner.lines.next()).value)) as { pid: number };
    await Promise.all([reap(), reap()]);
    await Promise.all([reap(), reap()]);
    expect(isAlive(pid)).toBe(true);
    process.kill(pid, 'SIGUSR1');
    expect(JSON.parse(String((await owner.lines.next()).value))).toMatchObject({ status: 'nonzero-exit', exitCode: 5 });
    expect(await owner.ended).toMatchObject({ code: 0 });
  });

  it('beside containers of its own touches none of them', async () => {
    await using container = await Container.create({ ...(await busybox()), command: ['sleep', '1000'] });
    await container.start();
    await reap();
    expect(isAlive(container.pid)).toBe(true);
    expect(container.state).toBe('running');
  });
});

requires({ root: true, tools: ['busybox', 'gcc', 'sleep'], unified: true }).describe('in a group of the caller', () => {
  const NAME = `nacelle-test-${process.pid}-lifetime`;
  const program = findTool('gcc') ? compile('undying') : '';
  const below = (name: string) => cgroupFolders().filter((path) => path.includes(`/nacelle/${name}`));
  const options = async (more: ContainerOptions): Promise<ContainerOptions> => ({
    ...(await busybox()),
    copyIn: { '/undying': { source: program, mode: 0o755 } },
    ...more,
  });

  async function undying(more: ContainerOptions): Promise<{ owner: NodeProgram; pid: number; id: string }> {
    const owner = startNode('undying', [JSON.stringify(await options(more))]);
    return { owner, ...(JSON.parse(String((await owner.lines.next()).value)) as { pid: number; id: string }) };
  }

  it('a program that no parent death ends dies with the shim, and so does what is in a group of the owner', async () => {
    const container = await Container.create({ ...(await options({ cgroup: NAME })), command: ['/undying'] });
    await container.start();
    await once(container.stdout ?? process, 'data');
    const group = await Cgroup.create(`${NAME}-own`);
    const execution = group.run([program]);
    const pid = await execution.pid;
    await once(execution.stdout ?? process, 'data');
    execution.catch(() => undefined);
    const waiting = container.wait().catch((reason: unknown) => reason);
    process.kill(pidOf(shimOf()), 'SIGKILL');
    expect(await waiting).toMatchObject({ code: 'ERR_SHIM_DIED' });
    await until('both are dead', () => !isAlive(container.pid) && !isAlive(pid));
    await container.remove({ force: true });
    await reap();
    expect(below(NAME)).toEqual([]);
  });

  it.each([
    ['that was not there', { cgroup: `${NAME}/deep` }],
    ['that is its parent', { cgroupParent: `${NAME}/deep` }],
  ])('%s: reap() kills it and removes the groups when nobody is left', async (_, more) => {
    const { owner, pid } = await undying({ ...more, upper: 'disk', cpusetCpus: '0' });
    await killNode(owner, true);
    expect(isAlive(pid)).toBe(true);
    expect(below(NAME)).not.toEqual([]);
    await reap();
    expect(isAlive(pid)).toBe(false);
    expect(below(NAME)).toEqual([]);
  });

  it("that is somebody else's: reap() leaves it and what is in it", async () => {
    await using group = await Cgroup.create(NAME, { pidsLimit: 50 });
    const sleeper = group.run(['sleep', 'infinity']);
    const mine = await sleeper.pid;
    const there = Object.values(group.paths);
    const { owner, pid, id } = await undying({ cgroup: NAME });
    // what it made on the way in other hierarchies is its own
    expect(below(NAME).length).toBeGreaterThan(there.length);
    await killNode(owner, true);
    await reap();
    expect([isAlive(pid), isAlive(mine)]).toEqual([false, true]);
    expect(below(NAME).filter((path) => path.includes(id))).toEqual([]);
    expect(there.every((path) => existsSync(path))).toBe(true);
    expect((await group.stats()).pids?.limit).toBe(50);
    await sleeper.kill();
    await sleeper;
  });

  it('reap() leaves a container of a live owner there', async () => {
    const { owner, pid } = await undying({ cgroup: NAME });
    const dead = await undying({ cgroup: NAME });
    await killNode(dead.owner, true);
    await reap();
    expect([isAlive(pid), isAlive(dead.pid)]).toEqual([true, false]);
    await killNode(owner, false);
    await until('its groups are gone', () => below(NAME).length === 0);
  });

  it('no record is left of one that could not be sent', async () => {
    const tooLarge = { '/in': Buffer.alloc(80 << 20) };
    await expect(Container.run({ ...(await options({ cgroup: NAME })), command: ['true'], copyIn: tooLarge })).rejects.toMatchObject({
      code: 'ERR_INVALID_OPTION',
    });
    // the leak check looks for it
  });
});

requires({ root: true, tools: ['env', 'gcc', 'mount', 'newgidmap', 'newuidmap', 'setpriv', 'unshare'] }).describe(
  'without a group, as for an ordinary user',
  () => {
    const folder = temporaryFolder();
    const program = findTool('gcc') ? compile('undying', folder) : '';
    chmodSync(folder, 0o755);
    const options = JSON.stringify({ image: 'host', copyIn: { '/undying': { source: program, mode: 0o755 } } });
    /** Not `before`, which may take a while to die. */
    const watchdogOf = (shim: ProcessInfo, before?: ProcessInfo) =>
      descendants(shim.pid).find(({ command, pid }) => command === 'nacelle-watch' && pid !== before?.pid);

    /** What the shim has told a process to see to: proc(5), fdinfo of a pidfd. */
    function hasPidfd(holder: ProcessInfo | undefined, { pid }: ProcessInfo): boolean {
      const folder = `/proc/${holder?.pid}/fdinfo`;
      const held = holder && existsSync(folder) ? readdirSync(folder).map((fd) => readText(`${folder}/${fd}`) ?? '') : [];
      return held.some((text) => text.split('\n').includes(`Pid:\t${pid}`));
    }

    async function undying(before?: string): Promise<{ owner: NodeProgram; program: ProcessInfo; shim: ProcessInfo }> {
      const owner = startNode('undying', [options], { through: throughUser(before) });
      const { value } = await owner.lines.next();
      if (value === undefined) throw new Error((await owner.ended).stderr);
      const { pid } = JSON.parse(value) as { pid: number };
      const [program, shim] = [processInfo(pid), processInfo(processInfo(pid)?.parent ?? 0)];
      if (!program || shim?.command !== 'nacelle-shim') throw new Error('no shim');
      return { owner, program, shim };
    }

    it.each([
      ['that user’s', 'true'],
      ['one of subordinate ids', givingIds(folder, `${USER}:200000:65536`)],
    ])('a program that no parent death ends dies with Node and the shim: %s', async (_, before) => {
      const { owner, program, shim } = await undying(before);
      for (const pid of [owner.pid, shim.pid]) process.kill(pid, 'SIGKILL');
      await owner.ended;
      await until('it is dead', () => !isThere(program));
    });

    it('also when the process that sees to that was killed before', async () => {
      const { owner, program, shim } = await undying();
      const first = watchdogOf(shim);
      if (!first) throw new Error('no watchdog');
      process.kill(first.pid, 'SIGKILL');
      await until('another one has the program', () => hasPidfd(watchdogOf(shim, first), program));
      for (const pid of [owner.pid, shim.pid]) process.kill(pid, 'SIGKILL');
      await owner.ended;
      await until('it is dead', () => !isThere(program));
    });

    requires({ root: true, tools: ['prlimit'] }).it('also when another such process could not be started for a while', async () => {
      const { owner, program, shim } = await undying();
      const first = watchdogOf(shim);
      if (!first) throw new Error('no watchdog');
      const [, before] = /^Max processes +(\w+)/m.exec(readFileSync(`/proc/${shim.pid}/limits`, 'utf8')) ?? [];
      const asUser = { uid: USER, gid: USER };
      // this user has more processes already
      execFileSync('prlimit', ['--pid', String(shim.pid), '--nproc=1:'], asUser);
      process.kill(first.pid, 'SIGKILL');
      await until('the shim has reaped it', () => watchdogOf(shim) === undefined);
      execFileSync('prlimit', ['--pid', String(shim.pid), `--nproc=${before}:`], asUser);
      await until('another one has the program', () => hasPidfd(watchdogOf(shim), program));
      for (const pid of [owner.pid, shim.pid]) process.kill(pid, 'SIGKILL');
      await owner.ended;
      await until('it is dead', () => !isThere(program));
    });
  },
);

// a minute of patience with processes that were killed
const stuckStore = temporaryFolder();
requires({ root: true, cgroup: 'v1', soak: true, tools: ['busybox', 'sleep'] }).it(
  'what can not be ended keeps its upper, and its record for the next reap',
  { timeout: 300_000 },
  async () => {
    const store = stuckStore;
    process.env.NACELLE_ROOT = store;
    const frozen = `${cgroupMounts().find(({ controllers }) => controllers.includes('freezer'))?.path}/nacelle-test-${process.pid}-stuck`;
    mkdirSync(frozen);
    const kept = () => readdirSync(join(store, 'containers'));
    try {
      const script = 'sleep 54321 & echo $!; wait';
      const run = Container.run({
        image: 'host',
        upper: 'disk',
        namespaces: { pid: 'host' },
        command: ['sh', '-c', script],
        timeout: 2000,
      });
      const [line] = await once(run.stdout ?? process, 'data');
      writeFileSync(join(frozen, 'cgroup.procs'), String(line));
      writeFileSync(join(frozen, 'freezer.state'), 'FROZEN');
      await expect(run).rejects.toMatchObject({ code: 'ERR_CLEANUP', message: expect.stringContaining('do not end') });
      expect(kept()).toHaveLength(1);
      writeFileSync(join(frozen, 'freezer.state'), 'THAWED');
      await until('it is dead', () => !isAlive(Number(line)));
      process.kill(pidOf(shimOf()), 'SIGKILL');
      await until('its shim is gone', () => shimOf() === null);
      // whatever is next finds that out, and starts another
      expect(await sh('true')).toMatchObject({ status: 'ok' });
      expect(await reap()).toMatchObject({ failures: [] });
      expect(kept()).toEqual([]);
    } finally {
      writeFileSync(join(frozen, 'freezer.state'), 'THAWED');
      await removeGroups(frozen);
      delete process.env.NACELLE_ROOT;
    }
  },
);

describe('SIGKILL of the shim alone', () => {
  const sleepersOf = (shim: ProcessInfo, count: number) =>
    until(`${count} run`, () => descendants(shim.pid).filter((info) => info.command === 'sleep').length === count);

  it('its containers die, what waits is told, and the next one works', async () => {
    const running = await Container.create({ ...(await busybox()), command: ['sleep', '1000'] });
    await running.start();
    const withInit = await Container.create({ ...(await busybox()), command: ['sleep', '1000'], init: true, user: '1000:1000' });
    await withInit.start();
    const parked = await Container.create({ ...(await busybox()), command: ['sleep', '1000'] });
    const shim = shimOf();
    if (!shim) throw new Error('no shim');
    const waiting = running.wait().catch((reason: unknown) => reason);
    const run = sh('exec sleep 1000').catch((reason: unknown) => reason);
    await sleepersOf(shim, 3);
    process.kill(shim.pid, 'SIGKILL');
    expect(await waiting).toBeInstanceOf(NacelleError);
    expect(await run).toBeInstanceOf(NacelleError);
    await expect(parked.start()).rejects.toBeInstanceOf(NacelleError);
    await until('its containers are dead', () => ![running, withInit, parked].some(({ pid }) => isAlive(pid)));
    await Promise.all([running, withInit, parked].map((container) => container.remove({ force: true })));
    expect(await sh('echo again')).toMatchObject({ stdout: 'again\n' });
    expect(shimOf()?.pid).not.toBe(shim.pid);
  });

  it(`at ${Math.ceil(kills / 4)} instants: all are told, nothing is left after reap(), and the next one works (seed ${seed})`, {
    timeout: 1_800_000,
  }, async () => {
    const random = seededRandom(seed + 2);
    const mixed = [{ memory: '64m', init: true }, { upper: 'disk', copyIn: { '/in': 'x' } }, { namespaces: { pid: 'host' } }] as const;
    for (let round = 0; round < Math.ceil(kills / 4); round++) {
      expect(await sh('true')).toMatchObject({ status: 'ok' });
      const shim = shimOf();
      const before = snapshot();
      const runs = mixed.map((options) => sh('sleep 0.02', options).catch((reason: unknown) => reason));
      await sleep(random() * 40);
      process.kill(pidOf(shim), 'SIGKILL');
      for (const outcome of await Promise.all(runs)) {
        if (outcome instanceof Error) expect(outcome).toBeInstanceOf(NacelleError);
        else expect(outcome).toMatchObject({ status: 'ok' });
      }
      // what is asked of it before Node has noticed is told that it died
      await until('the next one works', async () =>
        sh('true').then(
          ({ status }) => status === 'ok',
          (error: unknown) => {
            if (error instanceof NacelleError && error.code === 'ERR_SHIM_DIED') return false;
            throw error;
          },
        ),
      );
      await reap();
      expect(await leftovers(before), `round ${round}`).toEqual([]);
    }
    expect(await sh('true')).toMatchObject({ status: 'ok' });
  });

  it('many at once are all told', async () => {
    await sh('true');
    const shim = shimOf();
    if (!shim) throw new Error('no shim');
    const runs = Array.from({ length: 16 }, () => sh('exec sleep 1000').catch((reason: unknown) => reason));
    await sleepersOf(shim, 16);
    process.kill(shim.pid, 'SIGKILL');
    for (const outcome of await Promise.all(runs)) expect(outcome).toBeInstanceOf(NacelleError);
    expect(await sh('true')).toMatchObject({ status: 'ok' });
  });
});

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeAll, expect } from 'vitest';
import { untilEmpty } from '../../lib/cgroup/freezer.js';
import { Cgroup, Container, type ContainerOptions, type DeviceRule, reap } from '../../lib/index.js';
import { compile } from '../fixtures/compile.js';
import { cgroupMounts, folderOf, groupOf, pidOf, readText, statusField } from '../fixtures/host.js';
import { useLeakCheck } from '../fixtures/leaks.js';
import { runNode } from '../fixtures/node.js';
import { missing, requires } from '../fixtures/requires.js';
import { busybox } from '../fixtures/sandbox.js';
import { until } from '../fixtures/until.js';

// A hierarchy of v1 knows nothing of the others: whoever is below a group must be below it in each that the group is in.

useLeakCheck();
const { describe, it } = requires({ root: true, tools: ['busybox', 'sleep', 'sh'], cgroup: 'v1' });

const NAME = `nacelle-test-${process.pid}-below`;
const groups: Cgroup[] = [];
const containers: Container[] = [];
const children: ChildProcess[] = [];

afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  for (const container of containers.splice(0)) await container.remove({ force: true });
  for (const group of groups.splice(0).reverse()) await group.remove();
});

async function kept(group: Promise<Cgroup>): Promise<Cgroup> {
  groups.push(await group);
  return group;
}

async function sleeper(group: Cgroup): Promise<number> {
  const child = spawn('sleep', ['infinity'], { stdio: 'ignore' });
  children.push(child);
  await once(child, 'spawn');
  await group.add(pidOf(child));
  return pidOf(child);
}

async function running(options: Partial<ContainerOptions>): Promise<number> {
  const container = await Container.create({ ...(await busybox()), command: ['sleep', '1000'], ...options });
  containers.push(container);
  await container.start();
  return container.pid;
}

/** It ends with the group. */
const program = (group: Cgroup): Promise<number> => group.run(['sleep', 'infinity']).pid;

/** The folders of a group that a process is not below. */
function outside(pid: number, group: Cgroup): string[] {
  return Object.entries(group.paths).flatMap(([controller, path]) => {
    const folder = controller === 'unified' ? unifiedFolder(pid) : folderOf(pid, controller);
    return `${folder}/`.startsWith(`${path}/`) ? [] : [`${path}: it is in ${folder}`];
  });
}

function unifiedFolder(pid: number): string {
  const own = /^0::(.*)$/m.exec(readText(`/proc/${pid}/cgroup`) ?? '')?.[1] ?? '';
  return join(cgroupMounts().find(({ version }) => version === 2)?.path ?? '', own);
}

const cpusOf = (pid: number): string => statusField('Cpus_allowed_list', readText(`/proc/${pid}/status`) ?? '');

function expectBound(pids: Record<string, number>, group: Cgroup): void {
  const found = Object.entries(pids).map(([who, pid]) => [who, outside(pid, group), cpusOf(pid)]);
  expect(found).toEqual(Object.keys(pids).map((who) => [who, [], '0']));
}

/** Whoever can be put below a group. */
async function everybody(group: Cgroup): Promise<Record<string, number>> {
  const child = await kept(group.child('child', { pidsLimit: 50 }));
  const named = await kept(Cgroup.create('named', {}, { parent: group.name }));
  const deep = await kept(Cgroup.create(`${group.name}/a/b`));
  return {
    'a process of the group': await sleeper(group),
    'a program of the group': await program(group),
    'a process of a child': await sleeper(child),
    'a program of a child': await program(child),
    'a process of a child by name': await sleeper(named),
    'a program of a deeper one': await program(deep),
    'a container': await running({ cgroup: group }),
    'a container by name': await running({ cgroup: group.name }),
    'a container of a parent': await running({ cgroupParent: group }),
    'a container of a parent by name': await running({ cgroupParent: group.name }),
    'a container in a child': await running({ cgroup: child }),
    'a container in a group that is not there': await running({ cgroup: `${group.name}/missing/one` }),
  };
}

// the first group starts the shim, the first wait makes libuv's inotify descriptor: both then stay
beforeAll(async () => {
  if (missing({ root: true }).length > 0) return;
  const first = await Cgroup.create(`${NAME}-first`);
  await first.kill();
  await first.remove();
});

describe('below a group', () => {
  it('whoever it is, all its limits bind', async () => {
    const group = await kept(Cgroup.create(NAME, { cpusetCpus: '0' }));
    expectBound(await everybody(group), group);
  });

  it('those that are there already come along where it comes to be by set()', async () => {
    const group = await kept(Cgroup.create(NAME));
    const pids = await everybody(group);
    await group.set({ cpusetCpus: '0' });
    expect(group.controllers).toContain('cpuset');
    expectBound(pids, group);
  });

  it('and those that come later, by handles that were made before', async () => {
    const group = await kept(Cgroup.create(NAME));
    const other = await Cgroup.open(NAME);
    const child = await kept(group.child('child'));
    const inner = await kept(child.child('inner'));
    await group.set({ cpusetCpus: '0' });
    expectBound(
      {
        'a process': await sleeper(other),
        'a program': await program(other),
        'a process of a child': await sleeper(child),
        'a program of a child': await program(child),
        'a process of an inner one': await sleeper(inner),
        'a program of an inner one': await program(inner),
        'a container': await running({ cgroup: other }),
        'a container of an inner one': await running({ cgroupParent: inner }),
      },
      group,
    );
  });

  it('and those that are being started meanwhile', async () => {
    for (let round = 0; round < 10; round++) {
      const group = await kept(Cgroup.create(`${NAME}-${round}`));
      const child = await kept(group.child('child'));
      const starting = { container: running({ cgroup: child }), program: program(child), process: sleeper(child) };
      // at another instant of their start in each round
      for (let turn = 0; turn < round; turn++) await new Promise((resolve) => setImmediate(resolve));
      await group.set({ cpusetCpus: '0' });
      const pids = Object.fromEntries(await Promise.all(Object.entries(starting).map(async ([who, pid]) => [who, await pid])));
      expectBound(pids, group);
      for (const container of containers.splice(0)) await container.remove({ force: true });
      for (const made of groups.splice(0).reverse()) await made.remove();
    }
  });

  it('its limits stay when the container goes that had made its folder there', async () => {
    const group = await kept(Cgroup.create(NAME));
    await running({ cgroup: group, cpusetCpus: '0' });
    await group.set({ cpusetCpus: '0' });
    for (const container of containers.splice(0)) await container.remove({ force: true });
    expectBound({ 'the next one': await running({ cgroup: NAME }) }, group);
  });

  it('what a container came to need goes with it, where the group was not there', async () => {
    await running({ cgroup: `${NAME}/deep` });
    const [container] = containers;
    const folder = join(groupOf('cpuset')?.path ?? '', 'nacelle', NAME);
    expect(existsSync(folder)).toBe(false);
    await container?.update({ cpusetCpus: '0' });
    expect(cpusOf(container?.pid ?? 0)).toBe('0');
    // the leak check sees that it goes
  });

  it('is refused to whoever names the groups of containers', async () => {
    const name = '0123456789abcdef/x';
    for (const options of [{ cgroup: name }, { cgroupParent: name }])
      await expect(running(options)).rejects.toMatchObject({ code: 'ERR_INVALID_OPTION' });
  });
});

describe('what is moved when a group grows', () => {
  requires({ root: true, tools: ['gcc'], cgroup: 'v1' }).it('is all of it or the reason why not, whoever forks meanwhile', async () => {
    const group = await kept(Cgroup.create(NAME, { pidsLimit: 100 }));
    const bomb = group.run([compile('bomb')]);
    await until('the bomb has grown', async () => ((await group.stats()).pids?.current ?? 0) > 90);
    const outcome = await group.set({ cpusetCpus: '0' }).catch((error: unknown) => error);
    await group.freeze();
    if (outcome instanceof Error) expect(outcome).toMatchObject({ code: 'EBUSY', message: expect.stringContaining('multiply') });
    else expect((await group.processes()).flatMap((pid) => outside(pid, group))).toEqual([]);
    await group.kill();
    await bomb;
  });

  requires({ root: true, tools: ['unshare', 'sleep'], cgroup: 'v1' }).it(
    'is never Node itself, for a process that it can not see',
    async () => {
      const group = await kept(Cgroup.create(NAME));
      await sleeper(group);
      const { code, own } = await runNode<{ code: string; own: string }>('set-limits', [NAME, JSON.stringify({ cpusetCpus: '0' })], {
        through: ['unshare', '--pid', '--fork', '--mount-proc'],
      });
      // as process 1 it took its shim along
      await reap();
      expect(code).toBe('EPERM');
      expect(own).not.toContain(NAME);
    },
  );
});

requires({ root: true, tools: ['sleep'], unified: true }).it('a kill does not wait without end for who does not end', async () => {
  const group = await kept(Cgroup.create(NAME));
  await sleeper(group);
  await expect(untilEmpty('the group', group.paths, 20)).rejects.toMatchObject({ code: 'EBUSY' });
  await group.kill();
  await untilEmpty('the group', group.paths, 20);
});

requires({ root: true, tools: ['busybox', 'sh'], cgroup: 'memory' }).describe('devices that a group refuses', () => {
  const { it } = requires({ root: true, tools: ['busybox', 'sh'], cgroup: 'memory' });
  const ofV1 = requires({ root: true, tools: ['busybox', 'sh'], cgroup: 'devices' });
  const tried = [
    'head -c 1 /dev/zero >/dev/null 2>&1 && echo zero',
    '(echo x >/dev/zero) 2>&1 && echo written',
    'head -c 1 /dev/urandom >/dev/null 2>&1 && echo random',
    // all of them are there
    '[ -c /dev/zero ] && [ -c /dev/urandom ] && [ -c /dev/tty ] && echo nodes',
  ].join('; ');
  const device = (minor: number | undefined, access: string, allow: boolean) =>
    ({ type: 'c', major: 1, ...(minor === undefined ? {} : { minor }), access, allow }) as const;
  const none = { type: 'a', access: 'rwm', allow: false } as const;
  const nullDevice = device(3, 'rw', true);

  /** What a container below a group with these rules can do with them. */
  async function inContainer(deviceRules: DeviceRule[], options: Partial<ContainerOptions> = {}): Promise<string[]> {
    const group = await kept(Cgroup.create(NAME, { deviceRules }));
    const { image } = await busybox();
    const { stdout, stderr } = await Container.run({ image, command: ['sh', '-c', tried], stdin: 'pipe', cgroup: group, ...options });
    return `${stdout}${stderr}`.split('\n').filter((line) => /^\w+$/.test(line));
  }

  it('are refused to the containers below, which start all the same', async () => {
    expect(await inContainer([none, nullDevice])).toEqual(['nodes']);
  });

  it('one by one, in part, and as many as there are', async () => {
    expect(await inContainer([device(5, 'r', false)])).toEqual(['written', 'random', 'nodes']);
    await groups.pop()?.remove();
    expect(await inContainer([none, nullDevice, device(5, 'w', true), device(9, 'rwm', true)])).toEqual(['written', 'random', 'nodes']);
    await groups.pop()?.remove();
    const all = await inContainer([none]);
    expect(all).toEqual(['nodes']);
  });

  it("also when the container's own rules allow all", async () => {
    const deviceRules: DeviceRule[] = [{ type: 'a', access: 'rwm', allow: true }, device(9, 'r', false)];
    const allowed = [none, nullDevice, device(5, 'rw', true), device(9, 'rw', true)];
    expect(await inContainer(allowed, { deviceRules })).toEqual(['zero', 'written', 'nodes']);
  });

  it('are refused to groups below that refuse others', async () => {
    const group = await kept(Cgroup.create(NAME, { deviceRules: [none, nullDevice, device(5, 'r', true), device(9, 'r', true)] }));
    const child = await kept(group.child('child', { deviceRules: [device(9, 'r', false)] }));
    const { stdout } = await child.run(['sh', '-c', tried]);
    expect(stdout.split('\n')).toEqual(expect.arrayContaining(['zero']));
    expect(stdout).not.toMatch(/random|written/);
    await child.set({ deviceRules: [] });
    expect((await child.run(['sh', '-c', tried])).stdout).toMatch(/zero\n(.*\n)*random/);
  });

  ofV1.it('an exception from what is allowed as a range is refused, and not lost', async () => {
    const group = await kept(Cgroup.create(NAME, { deviceRules: [none, device(undefined, 'rw', true)] }));
    await expect(group.child('child', { deviceRules: [device(9, 'r', false)] })).rejects.toMatchObject({
      code: 'ERR_UNSUPPORTED',
      feature: 'limit deviceRules',
    });
  });

  it('can be changed while a container below lives', async () => {
    const group = await kept(Cgroup.create(NAME));
    const script = 'while read x; do head -c 1 /dev/zero >/dev/null 2>&1 && echo may || echo not; done';
    await running({ cgroup: group, stdin: 'pipe', command: ['sh', '-c', script] });
    const [container] = containers;
    const ask = async (): Promise<string> => {
      const answer = once(container?.stdout ?? process, 'data');
      container?.stdin?.write('now\n');
      return String((await answer)[0]).trim();
    };
    expect(await ask()).toBe('may');
    await group.set({ deviceRules: [device(5, 'r', false)] });
    expect(await ask()).toBe('not');
    await container?.update({ deviceRules: [] });
    expect(await ask()).toBe('not');
  });

  ofV1.it('can not where v1 has rules of the group already, and the reason is told', async () => {
    const other = await kept(Cgroup.create(NAME, { deviceRules: [device(5, 'r', false)] }));
    await running({ cgroup: other });
    await expect(other.set({ deviceRules: [] })).rejects.toMatchObject({
      code: 'ERR_UNSUPPORTED',
      reason: expect.stringMatching(/below it/),
    });
  });
});

requires({ root: true, tools: ['sh'], cgroup: 'cpu' }).it('children with shares of 1 : 3 have the CPU of their parent 1 : 3', async () => {
  const group = await kept(Cgroup.create(NAME, { cpusetCpus: '0' }));
  // v2's weights, 100 and 303: see docs/cgroups.md
  const shares = groupOf('cpu')?.version === 1 ? [1024, 3072] : [1024, 4096];
  const made = await Promise.all(shares.map((cpuShares, i) => kept(group.child(`child-${i}`, { cpuShares }))));
  for (const child of made) await child.run(['sh', '-c', 'while :; do :; done']).pid;
  const used = () => Promise.all(made.map(async (child) => (await child.stats()).cpu.usageMs));
  const before = await used();
  let times = [0, 0];
  await until('both have used enough', async () => {
    times = (await used()).map((time, i) => time - (before[i] ?? 0));
    return times.every((time) => time > 250);
  });
  const ratio = (times[1] ?? 0) / (times[0] ?? 1);
  expect(ratio).toBeGreaterThan(2);
  expect(ratio).toBeLessThan(4.5);
});

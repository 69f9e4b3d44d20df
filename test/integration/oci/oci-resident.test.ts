import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { expect } from 'vitest';
import { processInfo } from '../../fixtures/host.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { OWN_SESSION } from '../../fixtures/own-session.js';
import { requires } from '../../fixtures/requires.js';
import { STAY, useResidentPlanner, writable } from '../../fixtures/resident-planner.js';
import { called, installFront, makeBundle, type RuntimeCall } from '../../fixtures/runtime-bundle.js';
import { until } from '../../fixtures/until.js';

// A planner that stays does what a planner of its own would do for each command, or does nothing.

useLeakCheck();
const { describe, it } = requires({ root: true, tools: ['busybox', 'unshare'] });
const { folder, states, socket, script, front, alone, oci, started, planners, sleepers, resident } = useResidentPlanner();

/** What is different in each container. */
const masked = (text: string): string =>
  text
    .replace(/"(pid|startTime)":\s*"?\d+"?/g, '"$1":N')
    .replace(/\d{4}-\d\d-\d\dT[\d:.]{12}Z/g, 'TIME')
    .replace(/^(record|process) .*$/gm, '$1');

/** All that lies in the state of a container, and how its process is. */
function madeOf(id: string): unknown {
  const path = join(states, id);
  const files = readdirSync(path).sort();
  const { pid, groups } = JSON.parse(readFileSync(join(path, 'state.json'), 'utf8'));
  const read = (name: string): string => masked(readFileSync(join(path, name), 'utf8'));
  const process = processInfo(pid);
  return {
    ...{ files, record: read('state.json'), plans: read('plans'), groups: read('groups.json'), parent: process?.parent },
    modes: files.map((name) => lstatSync(join(path, name)).mode),
    inside: groups.map((group: { path: string }) => readFileSync(join(group.path, 'cgroup.procs'), 'utf8').trim() === String(pid)),
    status: ['Uid', 'Gid', 'CapEff', 'CapBnd', 'NoNewPrivs', 'Seccomp'].map(
      (name) => new RegExp(`^${name}:.*$`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[0],
    ),
    limits: readFileSync(`/proc/${pid}/limits`, 'utf8'),
    streams: [0, 1, 2].map((fd) => basename(readlinkSync(`/proc/${pid}/fd/${fd}`))),
  };
}

/** Calls a command from a folder, with descriptors from 3 on. */
async function calledIn(file: string, cwd: string, args: readonly string[], more: readonly string[] = []): Promise<RuntimeCall> {
  const child = spawn('/bin/sh', ['-c', `exec "$0" "$@" ${more.join(' ')}`, file, '--root', states, ...args], {
    cwd,
    ...OWN_SESSION,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const texts = ['', ''];
  for (const [index, stream] of [child.stdout, child.stderr].entries())
    stream.on('data', (part) => {
      texts[index] += part;
    });
  const [code]: (number | null)[] = await once(child, 'close');
  return { code: code ?? null, stdout: texts[0] ?? '', stderr: texts[1] ?? '' };
}

describe('a resident planner', () => {
  it('makes of a bundle what a planner of its own makes, and Node is started once', async () => {
    const bundle = makeBundle(folder, ['busybox', 'sleep', '1000']);
    const made: unknown[] = [];
    for (const file of [alone, front]) {
      if (file === front) await resident();
      expect(await called(file, ['--root', states, 'create', '--bundle', bundle, '--pid-file', join(bundle, 'pid'), 'one'])).toEqual({
        code: 0,
        stdout: '',
        stderr: '',
      });
      made.push(
        madeOf('one'),
        readFileSync(join(bundle, 'pid'), 'utf8') === String(JSON.parse(readFileSync(join(states, 'one/state.json'), 'utf8')).pid),
      );
      await called(alone, ['--root', states, 'delete', '--force', 'one']);
    }
    expect(started()).toEqual([]);
    expect(made.slice(2)).toEqual(made.slice(0, 2));
  });

  it('runs programs as a planner of its own does: streams, descriptors, folder, environment, status, words and log', async () => {
    const bundle = makeBundle(folder, ['busybox', 'sleep', '1000']);
    await called(alone, ['--root', states, 'create', '--bundle', bundle, 'one']);
    await called(alone, ['--root', states, 'start', 'one']);
    const run = join(folder, 'run');
    mkdirSync(run, { recursive: true });
    writeFileSync(join(run, 'three'), 'from three');
    writeFileSync(
      join(run, 'process.json'),
      JSON.stringify({ args: ['busybox', 'id', '-u'], cwd: '/', user: { uid: 5, gid: 5 }, env: ['PATH=/bin'] }),
    );
    const sh = (line: string): string[] => ['exec', 'one', 'busybox', 'sh', '-c', line];
    const calls: [string[], string[]?][] = [
      [sh('echo out; echo err >&2; exit 7')],
      [sh('kill -9 $$')],
      [['exec', '--preserve-fds', '1', ...sh('cat <&3').slice(1)], ['3<three']],
      [['exec', '--preserve-fds', '2', ...sh('true').slice(1)], ['3<three']],
      [['exec', '--process', 'process.json', 'one']],
      [['exec', '--process', '/dev/fd/3', 'one'], ['3<process.json']],
      [['exec', '--env', 'A=b', '--cwd', '/tmp', ...sh('echo $A; pwd').slice(1)]],
      [['--log', 'log', '--log-format', 'json', 'exec', 'one', 'none-such']],
      [['exec', '--detach', '--pid-file', 'pid', ...sh('exit 0').slice(1)]],
      [['exec', 'other', 'true']],
      [['exec', '--wrong', 'one', 'true']],
      [['create', '--bundle', 'no-bundle', 'two']],
      [['create', '--bundle', bundle, 'one']],
    ];
    const told: unknown[][] = [];
    for (const file of [alone, front]) {
      if (file === front) await resident();
      const ways: unknown[] = [];
      for (const [args, more] of calls) {
        const { code, stdout, stderr } = await calledIn(file, run, args, more);
        const logged = existsSync(join(run, 'log')) ? masked(readFileSync(join(run, 'log'), 'utf8')) : null;
        const pid = existsSync(join(run, 'pid')) && /^\d+$/.test(readFileSync(join(run, 'pid'), 'utf8'));
        for (const name of ['log', 'pid']) rmSync(join(run, name), { force: true });
        ways.push({ args, code, stdout, stderr: stderr.replace(/\b\d{3,}\b/g, 'N'), logged, pid });
      }
      told.push(ways);
    }
    expect(started()).toEqual([]);
    expect(told[1]).toEqual(told[0]);
    expect(told[0]?.slice(0, 3)).toMatchObject([{ code: 7, stdout: 'out\n', stderr: 'err\n' }, { code: 137 }, { stdout: 'from three' }]);
  });

  it('serves several fronts at once, and none of two planners stays in vain', async () => {
    const bundles = Array.from({ length: 4 }, () => makeBundle(folder, ['busybox', 'sleep', '1000']));
    const create = (prefix: string) => Promise.all(bundles.map((bundle, index) => oci('create', '--bundle', bundle, `${prefix}${index}`)));
    // each starts a planner, since there is none
    for (const call of await create('a')) expect(call).toMatchObject({ code: 0, stderr: '' });
    await until('one planner serves', () => existsSync(socket));
    for (let index = 0; index < bundles.length; ++index) expect(await oci('delete', '--force', `a${index}`)).toMatchObject({ code: 0 });
    await until('the others have seen that', () => started().length === 0 && existsSync(socket));
    for (const call of await create('b')) expect(call).toMatchObject({ code: 0, stderr: '' });
    expect(started()).toEqual([]);
    await until('those that were replaced have ended', () => planners().length === 1);
    expect(await oci('exec', 'nobody', 'true')).toMatchObject({ code: 255 });
    expect([started(), planners().length]).toEqual([[], 1]);
  });

  it('ends where fronts do not find it any more, though none has asked', async () => {
    const pid = await resident();
    rmSync(socket);
    await until('it has ended', () => !planners().includes(pid));
  });

  it('serves where one of its number was killed before it served', async () => {
    mkdirSync(states, { mode: 0o700 });
    writeFileSync(join(states, '@planner.1'), '');
    // the first process of a pid namespace has the number 1
    const child = spawn('unshare', ['-p', '-f', process.execPath, script, '--root', states, 'planner', '1'], { stdio: 'ignore' });
    expect([await once(child, 'exit'), readdirSync(states)]).toEqual([[0, null], []]);
  });

  it('ends when no command has come for a while', async () => {
    const short = installFront(join(folder, 'short'), { script, resident: 1 });
    await called(short, ['--root', states, 'exec', 'nobody', 'true']);
    await until('it serves', () => existsSync(socket));
    await until('it has ended', () => planners().length === 0 && !existsSync(socket));
  });

  it('of a package that was replaced does nothing more, and the next command starts another', async () => {
    const old = await resident();
    utimesSync(script, 1, 1);
    expect(await oci('exec', 'nobody', 'true')).toMatchObject({ code: 255, stderr: 'container does not exist\n' });
    expect(started()).toHaveLength(1);
    await until('it is not found', () => !existsSync(socket));
    const next = await resident();
    expect(next === 0 || next !== old).toBe(true);
    await oci('exec', 'nobody', 'true');
    expect(started()).toEqual([]);
  });

  it('that was killed is replaced; what it was about ends with it, and is told', async () => {
    const bundle = makeBundle(folder, ['busybox', 'sleep', '1000'], writable);
    const pid = await resident();
    for (const command of [
      ['create', '--bundle', bundle, 'one'],
      ['start', 'one'],
    ])
      expect(await oci(...command)).toMatchObject({ code: 0 });
    const ready = join(bundle, 'rootfs/ready');
    const call = oci('exec', 'one', 'busybox', 'sh', '-c', 'echo $$ > /ready; exec busybox sleep 100011');
    await until('the program runs', () => existsSync(ready) && readFileSync(ready, 'utf8') !== '');
    process.kill(pid, 'SIGKILL');
    expect(await call).toMatchObject({ code: 255, stderr: 'nacelle-oci: the planner has ended before the command\n' });
    expect(sleepers('100011')).toEqual([]);
    started();
    expect(await oci('exec', 'one', 'busybox', 'true')).toMatchObject({ code: 0 });
    expect(started()).toContain('exec one busybox true');
    await until('another serves', () => existsSync(socket) && !planners().includes(pid));
  });

  it('sends the signals of its front to a program of exec in the foreground', async () => {
    const bundle = makeBundle(folder, ['busybox', 'sleep', '1000'], writable);
    await resident();
    for (const command of [
      ['create', '--bundle', bundle, 'one'],
      ['start', 'one'],
    ])
      expect(await oci(...command)).toMatchObject({ code: 0 });
    started();
    const script = 'trap "exit 42" CONT; echo > /trapped; while :; do busybox usleep 10000; done';
    const child = spawn(front, ['--root', states, 'exec', 'one', 'busybox', 'sh', '-c', script], { ...OWN_SESSION, stdio: 'ignore' });
    const ended = once(child, 'exit');
    await until('the program listens', () => existsSync(join(bundle, 'rootfs/trapped')));
    // the front hears of it a moment after its program has begun; of this signal nothing else comes
    await until('the signal has come', () => child.exitCode !== null || (child.kill('SIGCONT') && false));
    expect(await ended).toEqual([42, null]);
    expect(started()).toEqual([]);
  });

  it('ends a program whose front was killed', async () => {
    const bundle = makeBundle(folder, ['busybox', 'sleep', '1000'], writable);
    await resident();
    for (const command of [
      ['create', '--bundle', bundle, 'one'],
      ['start', 'one'],
    ])
      expect(await oci(...command)).toMatchObject({ code: 0 });
    const child = spawn(front, ['--root', states, 'exec', 'one', 'busybox', 'sh', '-c', 'echo > /ready; exec busybox sleep 100012'], {
      ...OWN_SESSION,
      stdio: 'ignore',
    });
    await until('the program runs', () => existsSync(join(bundle, 'rootfs/ready')));
    await until('it sleeps', () => sleepers('100012').length === 1);
    child.kill('SIGKILL');
    await until('it has ended', () => sleepers('100012').length === 0);
    expect(await oci('exec', 'one', 'busybox', 'true')).toMatchObject({ code: 0 });
    expect(started()).toEqual([]);
  });
});

describe('what is no planner to be trusted is not asked', () => {
  const plain = async (): Promise<void> => {
    expect(await oci('exec', 'nobody', 'true')).toMatchObject({ code: 255, stderr: 'container does not exist\n' });
    expect(started()).toContain('exec nobody true');
  };

  it.each([
    ['a folder that others may write to', () => chmodSync(states, 0o777), () => chmodSync(states, 0o700)],
    ["another user's folder", () => chownSync(states, 65_534, 0), () => chownSync(states, 0, 0)],
    ['a socket that others may write to', () => chmodSync(socket, 0o666), () => undefined],
    ["another user's socket", () => chownSync(socket, 65_534, 0), () => undefined],
    ['a link', () => linkInstead(), () => undefined],
  ])('%s', async (_, spoil, mend) => {
    await resident();
    spoil();
    try {
      const { code } = await oci('exec', 'nobody', 'true');
      expect(code).toBe(255);
      expect(started()).toContain('exec nobody true');
    } finally {
      mend();
    }
  });

  it('a program that is not the Node of the front', async () => {
    const pid = await resident();
    const other = join(folder, 'other-node');
    symlinkSync('/bin/true', other);
    const wrong = installFront(join(folder, 'wrong'), { script, resident: STAY, node: other });
    // what is run then is that program
    expect(await called(wrong, ['--root', states, 'exec', 'nobody', 'none'])).toMatchObject({ code: 0 });
    expect(planners()).toEqual([pid]);
  });

  it('one in other namespaces', async () => {
    await resident();
    const { code } = await called('unshare', ['-u', front, '--root', states, 'exec', 'nobody', 'true']);
    expect([code, started()]).toEqual([255, ['exec nobody true']]);
  });

  it('one that does not answer, until it does', async () => {
    const pid = await resident();
    process.kill(pid, 'SIGSTOP');
    await plain();
    process.kill(pid, 'SIGCONT');
    await oci('exec', 'nobody', 'true');
    expect([started(), planners()]).toEqual([[], [pid]]);
  });
});

function linkInstead(): void {
  renameSync(socket, `${socket}.real`);
  symlinkSync(`${socket}.real`, socket);
}

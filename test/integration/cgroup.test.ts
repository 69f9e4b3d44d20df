import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeAll, expect } from 'vitest';
import { Cgroup } from '../../lib/cgroup/cgroup.js';
import { UnsupportedError } from '../../lib/errors.js';
import { reap } from '../../lib/host/reap.js';
import { cgroupMounts, entries, folderOf, groupOf, isAlive, pidOf, shimOf } from '../fixtures/host.js';
import { useLeakCheck } from '../fixtures/leaks.js';
import { startNode } from '../fixtures/node.js';
import { missing, requires } from '../fixtures/requires.js';
import { until } from '../fixtures/until.js';

useLeakCheck();
const { describe, it } = requires({ groups: true, cgroup: 'memory' });

const MiB = 1024 ** 2;
const NAME = `nacelle-test-${process.pid}`;
const made: Cgroup[] = [];
const children: ChildProcess[] = [];

afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  for (const group of made.splice(0).reverse()) await group.remove();
});

async function create(...[name = NAME, limits, options]: Partial<Parameters<typeof Cgroup.create>>): Promise<Cgroup> {
  const group = await Cgroup.create(name, limits, options);
  made.push(group);
  return group;
}

/** A process that does nothing until it is killed. */
function sleeper(): { pid: number; ended: Promise<unknown[]> } {
  const child = spawn('sleep', ['infinity'], { stdio: 'ignore' });
  children.push(child);
  return { pid: pidOf(child), ended: once(child, 'exit') };
}

/** What the kernel's own file says, by the names of either version. */
function fileOf(group: Cgroup, controller: string, v1: string, v2: string): string {
  const version = groupOf(controller)?.version;
  return readFileSync(join(group.paths[controller] ?? '', version === 1 ? v1 : v2), 'utf8').trim();
}

// The first group starts the shim, the first wait makes libuv's inotify descriptor: both then stay.
beforeAll(async () => {
  if (missing({ groups: true }).length > 0) return;
  const first = await Cgroup.create(`${NAME}-first`);
  await first.kill();
  await first.remove();
});

describe('a cgroup', () => {
  it('tells how the machine is set up', async () => {
    const mounts = cgroupMounts();
    const versions = new Set(
      mounts.filter(({ controllers }) => controllers.some((name) => name && !name.includes('='))).map(({ version }) => version),
    );
    const expected = !mounts.some(({ version }) => version === 2) ? 'v1' : versions.has(1) ? 'hybrid' : 'v2';
    expect(await Cgroup.mode()).toBe(expected);
  });

  it('is made with its limits, told by the kernel, and removed', async () => {
    const group = await create(NAME, { memory: '64m', cpus: 0.5, pidsLimit: 20 });
    expect(group.controllers).toEqual(expect.arrayContaining(['memory', 'cpu', 'pids']));
    expect(fileOf(group, 'memory', 'memory.limit_in_bytes', 'memory.max')).toBe(String(64 * MiB));
    expect(fileOf(group, 'pids', 'pids.max', 'pids.max')).toBe('20');
    expect(fileOf(group, 'cpu', 'cpu.cfs_quota_us', 'cpu.max')).toMatch(/^50000( 100000)?$/);
    await group.remove();
    for (const path of Object.values(group.paths)) expect(existsSync(path)).toBe(false);
    await group.remove();
  });

  it('changes limits up and down', async () => {
    const group = await create(NAME, { memory: '64m' });
    for (const memory of [128, 16, 32]) {
      await group.set({ memory: memory * MiB });
      expect((await group.stats()).memory?.limit).toBe(memory * MiB);
    }
    await group.set({ pidsLimit: 7 });
    expect((await group.stats()).pids?.limit).toBe(7);
    expect((await group.stats()).memory?.limit).toBe(32 * MiB);
  });

  it('tells what the kernel counts, and nothing of what is gone', async () => {
    const group = await create(NAME, { memory: '64m', pidsLimit: 20 });
    await group.run(['sh', '-c', 'x=$(head -c 4000000 /dev/zero | tr "\\0" x)']);
    const { cpu, memory, pids, hugetlb } = await group.stats();
    expect(cpu.usageMs).toBeGreaterThan(0);
    expect(Math.abs(cpu.userMs + cpu.systemMs - cpu.usageMs)).toBeLessThan(1);
    expect(memory?.pageFaults).toBe(Number(/^(?:total_)?pgfault (\d+)$/m.exec(fileOf(group, 'memory', 'memory.stat', 'memory.stat'))?.[1]));
    expect(memory).toMatchObject({ limit: 64 * MiB, oomKills: 0 });
    expect(pids).toMatchObject({ current: 0, limit: 20 });
    // whoever has limited huge pages before has turned their controller on for all groups
    const counts = Object.values(group.paths).some((path) => entries(path).some((file) => file.startsWith('hugetlb.')));
    expect(hugetlb !== null).toBe(counts);
    await group.remove();
    await expect(group.stats()).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('takes a process into every hierarchy', async () => {
    const group = await create(NAME);
    const { pid } = sleeper();
    await group.add(pid);
    expect(await group.processes()).toEqual([pid]);
    for (const controller of group.controllers) expect(folderOf(pid, controller)).toBe(group.paths[controller]);
    expect((await group.stats()).pids?.current).toBe(1);
  });

  it('says which process could not be moved', async () => {
    const group = await create(NAME);
    const { pid, ended } = sleeper();
    process.kill(pid, 'SIGKILL');
    await ended;
    await expect(group.add(pid)).rejects.toMatchObject({
      name: 'SyscallError',
      code: 'ESRCH',
      message: expect.stringContaining(`process ${pid}`),
    });
  });

  it('kills all that is in it', async () => {
    const group = await create(NAME);
    const sleepers = [sleeper(), sleeper(), sleeper()];
    for (const { pid } of sleepers) await group.add(pid);
    await group.kill();
    expect(await Promise.all(sleepers.map(({ ended }) => ended))).toEqual([
      [null, 'SIGKILL'],
      [null, 'SIGKILL'],
      [null, 'SIGKILL'],
    ]);
    expect(await group.processes()).toEqual([]);
  });

  it('is removed with what lives in it and below it', async () => {
    const group = await create(NAME);
    const child = await group.child('inner', { pidsLimit: 5 });
    const { pid, ended } = sleeper();
    await child.add(pid);
    await group.remove();
    await ended;
    expect(Object.values(group.paths).some((path) => existsSync(path))).toBe(false);
    await child.remove();
  });

  it('stands still when frozen', async () => {
    const group = await create(NAME);
    const { pid } = sleeper();
    await group.add(pid);
    await group.freeze();
    const events = (): string => readFileSync(join(group.paths.unified ?? '', 'cgroup.events'), 'utf8');
    expect(events()).toContain('frozen 1');
    await group.thaw();
    expect(events()).toContain('frozen 0');
  });

  it('below a name with folders: those go with the last of them', async () => {
    const one = await create(`${NAME}/a/1`);
    const two = await create(`${NAME}/a/2`);
    const above = join(one.paths.memory ?? '', '..');
    await one.remove();
    expect(existsSync(above)).toBe(true);
    await two.remove();
    expect(existsSync(above)).toBe(false);
    expect(existsSync(join(above, '..'))).toBe(false);
  });

  it('is not taken over when it is there', async () => {
    const group = await create(NAME);
    await expect(Cgroup.create(NAME)).rejects.toMatchObject({ code: 'EEXIST' });
    expect(existsSync(group.paths.memory ?? '')).toBe(true);
  });

  it('is opened by its name, and stays when it was made to persist', async () => {
    const group = await create(NAME, { pidsLimit: 9 }, { persist: true });
    await group[Symbol.asyncDispose]();
    const opened = await Cgroup.open(NAME);
    expect((await opened.stats()).pids?.limit).toBe(9);
    await opened.remove();
    await expect(Cgroup.open(NAME)).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('is opened as it was made, and as it has grown', async () => {
    const group = await create(NAME, { pidsLimit: 9 });
    const opened = await Cgroup.open(NAME);
    expect({ ...opened.paths }).toEqual(group.paths);
    expect(opened.controllers).toEqual(group.controllers);
    await group.set({ cpuShares: 2000, memory: '100m' });
    expect((await Cgroup.open(NAME)).paths).toEqual(group.paths);
  });

  it.each(['', '..', 'a/../b', '/a', 'a//b', 'a\0b', 'x'.repeat(256)])('refuses the name %j and makes nothing', async (name) => {
    await expect(Cgroup.create(name)).rejects.toMatchObject({ code: 'ERR_INVALID_OPTION' });
    await expect(Cgroup.open(name)).rejects.toMatchObject({ code: 'ERR_INVALID_OPTION' });
  });

  it('refuses limits that can not be', async () => {
    await expect(Cgroup.create(NAME, { memory: '1x' })).rejects.toMatchObject({ code: 'ERR_INVALID_OPTION' });
    await expect(Cgroup.create(NAME, { cpus: 1, cpuQuota: 5000 })).rejects.toMatchObject({ code: 'ERR_INVALID_OPTION' });
    await expect(Cgroup.create(NAME, { hugetlb: { '3MB': 0 } })).rejects.toBeInstanceOf(UnsupportedError);
  });
});

describe('groups below groups', () => {
  it("the parent's limits bind its children, together", async () => {
    const group = await create(NAME, { pidsLimit: 3 });
    const [one, two] = [await group.child('one'), await group.child('two', { pidsLimit: 100 })];
    // a shell and two sleepers fill it
    const first = one.run(['sh', '-c', 'sleep 1000 & sleep 1000 & echo; wait']);
    await new Promise((resolve) => first.stdout?.once('data', resolve));
    // v2 lets no process be born there; v1 lets one in that is there already, and no fork
    const outcome = await two.run(['sh', '-c', 'true & wait']).catch((error: unknown) => error);
    if (outcome instanceof Error) expect(outcome).toMatchObject({ code: 'EAGAIN' });
    else expect(outcome).toMatchObject({ failed: true, stderr: expect.stringMatching(/fork/i) });
    await group.kill();
    await first;
    expect(await two.run(['true'])).toMatchObject({ status: 'ok' });
    await one.remove();
    await two.remove();
  });

  it('are opened, filled and removed, whoever made them', async () => {
    const group = await create(NAME);
    const inner = (path: string): string => join(path, 'of another');
    for (const path of new Set(Object.values(group.paths))) mkdirSync(inner(path));
    const opened = await Cgroup.open(`${NAME}/of another`);
    expect(opened.paths.unified).toBe(group.paths.unified && inner(group.paths.unified));
    const { pid, ended } = sleeper();
    await opened.add(pid);
    expect(await opened.processes()).toEqual([pid]);
    await opened.remove();
    await ended;
    for (const path of Object.values(group.paths)) expect(existsSync(inner(path))).toBe(false);
  });

  it('a deep tree goes with all that forks in it', async () => {
    const group = await create(NAME);
    const leaves = await Promise.all([1, 2, 3].map((i) => Cgroup.create(`${NAME}/a/b/c${i}`)));
    const busy = leaves.map((leaf) => leaf.run(['sh', '-c', 'echo; while :; do sleep 0.01 & wait; done']));
    await Promise.all(busy.map((execution) => new Promise((resolve) => execution.stdout?.once('data', resolve))));
    await group.remove();
    for (const execution of busy) expect(await execution).toMatchObject({ status: 'signalled', signal: 'SIGKILL' });
    for (const leaf of leaves) {
      expect(Object.values(leaf.paths).some((path) => existsSync(path))).toBe(false);
      await leaf.remove();
    }
  });
});

describe('real-time run time', () => {
  it('is free for the next group at once, also what children had of it', async () => {
    // half of what there is: three could not have it at a time
    const limits = { cpuRtRuntime: 50_000, cpuRtPeriod: 100_000 };
    const isThere = existsSync(join(groupOf('cpu')?.path ?? '', 'cpu.rt_runtime_us'));
    if (!isThere) return expect(create(NAME, limits)).rejects.toThrow(UnsupportedError);
    for (let round = 0; round < 3; round++) {
      const group = await create(NAME, limits);
      made.push(await group.child('inner', limits));
      await group.remove();
    }
  });
});

describe('a program in a cgroup', () => {
  // a BPF program on v2, which no other user may load
  requires({ root: true, cgroup: 'memory' }).it('has the devices that the rules leave', async () => {
    const group = await create(NAME, { deviceRules: [{ type: 'c', major: 1, minor: 5, access: 'r', allow: false }] });
    const { stdout } = await group.run(['sh', '-c', 'head -c 1 /dev/zero || echo none; head -c 1 /dev/urandom >/dev/null && echo random']);
    expect(stdout).toBe('none\nrandom\n');
  });

  it('is born in every hierarchy', async () => {
    const group = await create(NAME);
    const { stdout, status, usage } = await group.run(['cat', '/proc/self/cgroup']);
    expect(status).toBe('ok');
    expect(stdout.match(new RegExp(`/nacelle/${NAME}`, 'g'))?.length).toBe(new Set(Object.values(group.paths)).size);
    expect(usage.cpuTimeMs).toBeGreaterThan(0);
  });

  it('keeps to the limit of processes', async () => {
    const group = await create(NAME, { pidsLimit: 4 });
    const result = await group.run(['sh', '-c', 'for i in 1 2 3 4 5 6 7 8; do sleep 1000 & done; wait']);
    expect(result.status).toBe('nonzero-exit');
    expect(result.stderr).toMatch(/fork/i);
    expect((await group.stats()).pids).toMatchObject({ current: 0, limit: 4 });
  });

  it('is killed past the limit of memory, and said to be', async () => {
    const group = await create(NAME, { memory: '32m' });
    const result = await group.run(['sh', '-c', 'x=$(head -c 100000000 /dev/zero | tr "\\0" x); echo "$x"']);
    expect(result).toMatchObject({ status: 'memory-limit', oomKilled: true });
    expect((await group.stats()).memory?.oomKills).toBeGreaterThan(0);
    // what happened before is not blamed on the next one
    expect(await group.run(['true'])).toMatchObject({ status: 'ok', oomKilled: false });
  });

  it('ends with all that it started, but without its neighbours', async () => {
    const group = await create(NAME);
    const { pid } = sleeper();
    await group.add(pid);
    const result = await group.run(['sh', '-c', 'setsid sleep 1000 & sleep 1000'], { timeout: 200 });
    expect(result.status).toBe('timeout');
    expect(await group.processes()).toEqual([pid]);
  });

  it('is stopped by the clock of CPU time', async () => {
    const group = await create(NAME);
    const result = await group.run(['sh', '-c', 'while :; do :; done'], { cpuTimeLimit: 100 });
    expect(result.status).toBe('cpu-time-limit');
    expect(result.usage.cpuTimeMs).toBeGreaterThanOrEqual(100);
  });

  it('is seen and killed', async () => {
    const group = await create(NAME);
    const execution = group.run(['sleep', '1000']);
    const pid = await execution.pid;
    expect(await group.processes()).toContain(pid);
    await group.kill();
    expect(await execution).toMatchObject({ status: 'signalled', signal: 'SIGKILL' });
    expect(isAlive(pid)).toBe(false);
  });

  it('of wrong options rejects', async () => {
    const group = await create(NAME);
    await expect(group.run([])).rejects.toMatchObject({ code: 'ERR_INVALID_OPTION' });
    await expect(group.run(['nacelle-no-such-program'])).rejects.toMatchObject({ code: 'ENOENT' });
    await expect(group.run(['false'], { reject: true })).rejects.toMatchObject({ exitCode: 1 });
  });
});

describe('when the owner dies', () => {
  it('its group goes with all that is in it', async () => {
    const program = startNode('cgroup', [`${NAME}-orphan`]);
    const line = await program.lines.next();
    const { pid, paths }: { pid: number; paths: string[] } = JSON.parse(line.value);
    expect(paths.every((path) => existsSync(path))).toBe(true);
    process.kill(program.pid, 'SIGKILL');
    await program.ended;
    await until('the group is gone', () => !paths.some((path) => existsSync(path)));
    expect(isAlive(pid)).toBe(false);
  });

  it('and when the shim alone does, it is removed all the same, and no record of it ends the next of that name', async () => {
    const group = await create(NAME);
    const shim = pidOf(shimOf());
    process.kill(shim, 'SIGKILL');
    // one that is dying may still be asked, and takes that with it
    await until('the shim is dead', () => !isAlive(shim));
    await group.remove();
    expect(Object.values(group.paths).some((path) => existsSync(path))).toBe(false);
    const next = await Cgroup.create(NAME, {}, { persist: true });
    await reap();
    expect(Object.values(next.paths).every((path) => existsSync(path))).toBe(true);
    await next.remove();
  });

  it('and its shim with it, the next reap removes the group', async () => {
    const program = startNode('cgroup', [`${NAME}-orphan/inner`]);
    const line = await program.lines.next();
    const { pid, paths }: { pid: number; paths: string[] } = JSON.parse(line.value);
    const shim = shimOf(program.pid);
    process.kill(program.pid, 'SIGSTOP');
    process.kill(pidOf(shim), 'SIGKILL');
    process.kill(program.pid, 'SIGKILL');
    await program.ended;
    await until('the shim is gone', () => !isAlive(pidOf(shim)));
    expect(paths.every((path) => existsSync(path))).toBe(true);
    await reap();
    expect(paths.some((path) => existsSync(path) || existsSync(join(path, '..')))).toBe(false);
    await until('its program is gone', () => !isAlive(pid));
  });
});

requires({ root: true, cgroup: 'hugetlb' }).it('huge pages are counted by their size', async () => {
  const group = await create(NAME, { hugetlb: { '2MB': '64m' } });
  expect((await group.stats()).hugetlb?.['2MB']).toEqual({
    current: 0,
    peak: groupOf('hugetlb')?.version === 1 ? 0 : null,
    limit: 64 * MiB,
  });
});

import { expect } from 'vitest';
import { type Container, type ContainerOptions, type ExecOptions, type Execution, Namespace } from '../../../lib/index.js';
import { cgroupFolders, processes, readText } from '../../fixtures/host.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { live } from '../../fixtures/live.js';
import { isRoot, requires } from '../../fixtures/requires.js';
import { until } from '../../fixtures/until.js';

useLeakCheck();
const { describe, it } = requires({ containers: true, groups: true, tools: ['busybox'] });

/** A tree: the program, a child of it, and one that left its session and its parent. Each says so by its name alone. */
const TREE = '(setsid sleep 100001 &); sleep 100002 & echo ready; sleep 100003 & wait';

/** How many processes in the container do nothing for so many seconds: by its groups, for in the host's pid namespace it sees others too. */
function count({ id }: Container, seconds: number | string): number {
  const wanted = new RegExp(`^sleep ${seconds} $`);
  const isWanted = (pid: number): boolean => wanted.test((readText(`/proc/${pid}/cmdline`) ?? '').replaceAll('\0', ' '));
  return processes().filter(({ pid }) => isWanted(pid) && readText(`/proc/${pid}/cgroup`)?.includes(id)).length;
}

/** Starts the tree in a container in which another program runs beside it. */
async function withTree(container: Container, options: ExecOptions): Promise<{ tree: Execution; beside: Execution }> {
  const beside = container.exec(['sleep', '200000']);
  const tree = container.exec(['sh', '-c', TREE], options);
  await until('the tree is there', () => count(container, '10000[123]') === 3);
  return { tree, beside };
}

/** Nothing of the tree is left, and all of the rest is. */
async function expectRestAlone(container: Container, beside: Execution): Promise<void> {
  await beside.pid;
  // the end is told when the tree has ended: there is nothing to wait for
  expect(count(container, '10000[123]')).toBe(0);
  expect(count(container, 200000)).toBe(1);
  expect(count(container, 100000)).toBe(1);
  expect(container.state).toBe('running');
  await beside.kill();
  expect(await beside).toMatchObject({ status: 'signalled', signal: 'SIGKILL' });
}

describe('the whole tree of a program ends, and nothing else', () => {
  const places: [string, ContainerOptions][] = [
    ['in a pid namespace of its own', {}],
    ['with an init of ours', { init: true }],
  ];
  if (isRoot) places.push(["in the host's pid namespace", { namespaces: { pid: 'host' } }]);
  it.each(places)('by kill(), %s', async (_, options) => {
    await using container = await live(options);
    const { tree, beside } = await withTree(container, {});
    await tree.kill();
    expect(await tree).toMatchObject({ status: 'signalled', signal: 'SIGKILL', stdout: 'ready\n' });
    await expectRestAlone(container, beside);
  });

  it('by its time limit', async () => {
    await using container = await live();
    const beside = container.exec(['sleep', '200000']);
    const result = await container.exec(['sh', '-c', TREE], { timeout: 300 });
    expect(result).toMatchObject({ status: 'timeout', timedOut: true });
    expect(result.durationMs).toBeGreaterThanOrEqual(300);
    await expectRestAlone(container, beside);
  });

  it('by its limit of CPU time, which counts all of the tree', async () => {
    await using container = await live();
    const beside = container.exec(['sleep', '200000']);
    const spin = '(setsid sh -c "while :; do :; done" &); sleep 100002 & wait';
    const result = await container.exec(['sh', '-c', spin], { cpuTimeLimit: 200 });
    expect(result).toMatchObject({ status: 'cpu-time-limit', timedOut: true });
    expect(result.usage.cpuTimeMs).toBeGreaterThanOrEqual(200);
    await expectRestAlone(container, beside);
  });

  it('by a cancel', async () => {
    await using container = await live();
    const controller = new AbortController();
    const { tree, beside } = await withTree(container, { cancelSignal: controller.signal });
    controller.abort();
    expect(await tree).toMatchObject({ status: 'canceled', isCanceled: true });
    await expectRestAlone(container, beside);
  });

  it('by its limit of output', async () => {
    await using container = await live();
    const beside = container.exec(['sleep', '200000']);
    const result = await container.exec(['sh', '-c', '(setsid sleep 100001 &); yes'], { maxBuffer: 1000 });
    expect(result).toMatchObject({ status: 'output-limit', isMaxBuffer: true });
    expect(result.stdout).toHaveLength(1000);
    await expectRestAlone(container, beside);
  });

  it('by its own end: what it left in the background goes with it', async () => {
    await using container = await live();
    const beside = container.exec(['sleep', '200000']);
    const left = '(setsid sleep 100001 >/dev/null 2>&1 &); sleep 100002 >/dev/null 2>&1 & exit 5';
    expect(await container.exec(['sh', '-c', left])).toMatchObject({ exitCode: 5 });
    await expectRestAlone(container, beside);
  });

  it('by a signal that it obeys, after which the rest is killed; one that it does not obey, after the delay', async () => {
    await using container = await live();
    const obedient = "trap 'echo bye; exit 0' TERM; (setsid sleep 100001 &); echo ready; while :; do sleep 0.01; done";
    const deaf = "trap '' TERM; (setsid sleep 100001 &); echo ready; while :; do sleep 0.01; done";
    for (const [script, expected] of [
      [obedient, { exitCode: 0, stdout: 'ready\nbye\n' }],
      [deaf, { signal: 'SIGKILL', stdout: 'ready\n' }],
    ] as const) {
      const beside = container.exec(['sleep', '200000']);
      const controller = new AbortController();
      const options = { cancelSignal: controller.signal, killSignal: 'SIGTERM', forceKillAfterDelay: 100 } as const;
      const execution = container.exec(['sh', '-c', script], options);
      for await (const line of execution) if (line === 'ready') controller.abort();
      expect(await execution).toMatchObject({ status: 'canceled', ...expected });
      await expectRestAlone(container, beside);
    }
  });

  it('a signal goes to the program alone', async () => {
    await using container = await live();
    const execution = container.exec(['sh', '-c', "trap 'echo usr1' USR1; echo ready; while :; do sleep 0.01; done"]);
    for await (const line of execution) {
      if (line === 'ready') await execution.kill('SIGUSR1');
      if (line === 'usr1') await execution.kill();
    }
    expect((await execution).stdout).toBe('ready\nusr1\n');
  });

  it('when the container ends: with its program, by kill() and by stop()', async () => {
    for (const end of [
      (container: Container) => container.exec(['kill', '-TERM', '1']).catch(() => undefined),
      (container: Container) => container.kill(),
      (container: Container) => container.stop({ timeout: 0 }),
    ]) {
      await using container = await live({ command: ['sh', '-c', "trap 'exit 0' TERM; while :; do sleep 0.01; done"] });
      const execution = container.exec(['sh', '-c', TREE]);
      await until('the tree is there', () => count(container, '10000[123]') === 3);
      await end(container);
      expect(await execution).toMatchObject({ status: 'signalled', signal: 'SIGKILL' });
      await container.wait();
      expect(cgroupFolders().filter((path) => path.includes(container.id))).toEqual([]);
    }
  });

  it("when the container's pid namespace is another's, which goes on", async () => {
    const { pid } = await Namespace.create(['pid']);
    await using _pid = pid;
    await using container = await live({ namespaces: { pid } });
    const execution = container.exec(['sh', '-c', TREE]);
    await until('the tree is there', () => count(container, '10000[123]') === 3);
    await container.kill();
    expect(await execution).toMatchObject({ status: 'signalled', signal: 'SIGKILL' });
    await using next = await live({ namespaces: { pid } });
    expect(count(next, '10000[0123]')).toBe(1);
  });

  it('when the container is removed', async () => {
    const container = await live();
    const execution = container.exec(['sh', '-c', TREE]);
    await until('the tree is there', () => count(container, '10000[123]') === 3);
    await container.remove({ force: true });
    expect(await execution).toMatchObject({ status: 'signalled' });
  });
});

describe('limits of its own', () => {
  it('memory: past it the program is killed, and the container lives', async () => {
    await using container = await live({ memory: '256m' });
    const eat = 'dd if=/dev/zero of=/dev/null bs=100M count=1 2>/dev/null';
    expect(await container.exec(['sh', '-c', eat], { limits: { memory: '16m' } })).toMatchObject({
      status: 'memory-limit',
      oomKilled: true,
    });
    expect(await container.exec(['sh', '-c', eat])).toMatchObject({ status: 'ok', oomKilled: false });
    expect(container.state).toBe('running');
    expect((await container.stats()).oomKills).toBeLessThanOrEqual(1);
  });

  it("the container's memory binds it too", async () => {
    await using container = await live({ memory: '16m', command: ['sleep', '100000'] });
    const eat = 'dd if=/dev/zero of=/dev/null bs=100M count=1 2>/dev/null';
    expect(await container.exec(['sh', '-c', eat])).toMatchObject({ status: 'memory-limit', oomKilled: true });
    expect(container.state).toBe('running');
  });

  it('processes: forks past it are refused, for itself alone', async () => {
    await using container = await live();
    const fork = 'for i in $(seq 10); do sleep 0.1 & done; wait; echo all';
    const limited = await container.exec(['sh', '-c', fork], { limits: { pidsLimit: 4 } });
    expect(limited.stderr).toMatch(/can't fork/);
    expect(limited.usage.pidsPeak).toBeLessThanOrEqual(4);
    expect((await container.exec(['sh', '-c', fork])).stdout).toBe('all\n');
  });

  it('one process: the limit that leaves no room for the one that joins is refused', async () => {
    await using container = await live();
    await expect(container.exec(['true'], { limits: { pidsLimit: 1 } })).rejects.toMatchObject({
      code: 'ERR_INVALID_OPTION',
      message: expect.stringContaining('pidsLimit'),
    });
    expect(await container.exec(['true'], { limits: { pidsLimit: 2 } })).toMatchObject({ status: 'ok' });
  });

  it('processors: throttled for itself alone', async () => {
    await using container = await live();
    const spin = 'i=0; while [ $i -lt 200000 ]; do i=$((i + 1)); done';
    const { usage } = await container.exec(['sh', '-c', spin], { limits: { cpus: 0.1 } });
    expect(usage.throttledPeriods).toBeGreaterThan(0);
    expect((await container.exec(['sh', '-c', spin])).usage.throttledPeriods).toBe(0);
  });

  it('those that are changed while it runs are those of the container', async () => {
    await using container = await live();
    const execution = container.exec(['sh', '-c', 'echo ready; read x; for i in $(seq 10); do sleep 0.1 & done'], { stdin: 'pipe' });
    for await (const line of execution) {
      if (line !== 'ready') break;
      await container.update({ pidsLimit: 6 });
      execution.stdin?.end('\n');
    }
    expect((await execution).stderr).toMatch(/can't fork/);
  });

  it('are of a group that goes with it', async () => {
    await using container = await live();
    const own = () => cgroupFolders().filter((path) => path.includes(container.id) && path.includes('exec-'));
    const execution = container.exec(['sleep', '100000'], { limits: { memory: '16m', pidsLimit: 5 } });
    const pid = await execution.pid;
    expect(own().length).toBeGreaterThan(0);
    expect(readText(`/proc/${pid}/cgroup`)).toMatch(/exec-/);
    await execution.kill();
    await execution;
    expect(own()).toEqual([]);
  });
});

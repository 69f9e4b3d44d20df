import { existsSync, mkdirSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { Container, type ContainerOptions } from '../../../lib/index.js';
import { useDetached } from '../../fixtures/detached.js';
import { isAlive, readText } from '../../fixtures/host.js';
import { busyboxRootfs } from '../../fixtures/images.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { startNode } from '../../fixtures/node.js';
import { isRoot, requires } from '../../fixtures/requires.js';
import { busybox } from '../../fixtures/sandbox.js';
import { temporaryFolder } from '../../fixtures/temporary.js';
import { until } from '../../fixtures/until.js';

useLeakCheck();
useDetached();
const { describe, it } = requires({ containers: true, groups: true, tools: ['busybox'] });

/** Counts the runs in a file of the container's root. */
const COUNT = 'echo run >> /runs; n=$(wc -l < /runs); echo "run $n";';

async function made(script: string, options: ContainerOptions = {}): Promise<Container> {
  const container = await Container.create({ ...(await busybox()), command: ['sh', '-c', script], ...options });
  await container.start();
  return container;
}

const runs = (count: number): string => Array.from({ length: count }, (_, index) => `run ${index + 1}\n`).join('');

describe.each([
  ['of this process', {}, { restart: { on: 'failure' } }],
  ['that is detached', { detach: true }, { detach: true }],
] as const)('a container %s', (_, how, restartable) => {
  it('is started again after failures, so often as was said, with its root and its output', async () => {
    const container = await made(`${COUNT} exit 3`, { ...how, restart: { on: 'failure', maxRetries: 3 } });
    expect(await container.wait()).toMatchObject({ status: 'nonzero-exit', exitCode: 3, stdout: runs(4) });
    expect(await container.inspect()).toMatchObject({
      restart: { on: 'failure', maxRetries: 3 },
      restartCount: 3,
      state: 'stopped',
      pid: 0,
    });
    await container.remove();
  });

  it('is not started again after success, where failures alone count', async () => {
    const container = await made(`${COUNT} [ $n = 3 ]`, { ...how, restart: { on: 'failure' } });
    expect(await container.wait()).toMatchObject({ status: 'ok', stdout: runs(3) });
    await container.remove();
  });

  it.each(['running', 'restarting'] as const)('that is always started again ends by stop() while it is %s', async (state) => {
    // the pause before the next run grows, so that a look finds the one or the other
    const script = state === 'running' ? `${COUNT} [ $n -lt 3 ] || sleep 1000` : COUNT;
    const container = await made(script, { ...how, restart: { on: 'always' } });
    await container.waitFor({ log: 'run 3' });
    await until(`it is ${state}`, () => container.state === state);
    const result = await container.stop({ timeout: 0 });
    expect(String(result.stdout).startsWith(runs(3))).toBe(true);
    expect(container.state).toBe('stopped');
    await container.remove();
  });

  it.each(['kill', 'remove'] as const)('ends by %s in the pause before the next run', async (what) => {
    const container = await made(`${COUNT} exit 1`, { ...how, restart: { on: 'always' } });
    // the pause after it is of 1.6 s
    await container.waitFor({ log: 'run 5' });
    await until('it waits for its next run', () => container.state === 'restarting');
    expect((await container.inspect()).pid).toBe(0);
    await expect(container.exec(['true'])).rejects.toMatchObject({ code: 'ERR_STATE' });
    await expect(container.pause()).rejects.toMatchObject({ code: 'ERR_STATE' });
    await expect(container.remove()).rejects.toMatchObject({ code: 'ERR_STATE' });
    if (what === 'kill') {
      await container.kill();
      expect(await container.wait()).toMatchObject({ exitCode: 1 });
    }
    await container.remove({ force: true });
  });

  it('is started again by restart(), while others wait for its end', async () => {
    const container = await made(`${COUNT} echo $n > /tmp/n; sleep 1000`, { ...restartable, tmpfs: { '/tmp': '' }, volumes: ['/data'] });
    await container.waitFor({ log: 'run 1' });
    const ended = container.wait();
    await container.exec(['sh', '-c', 'echo kept > /data/file; echo gone > /tmp/file']);
    const before = container.pid;
    await container.restart({ timeout: 100 });
    expect(container).toMatchObject({ state: 'running' });
    expect(container.pid).not.toBe(before);
    expect(isAlive(before)).toBe(false);
    await container.waitFor({ log: 'run 2' });
    expect((await container.exec(['sh', '-c', 'cat /data/file; ls /tmp; hostname'])).stdout).toBe(
      `kept\nn\n${container.id.slice(0, 12)}\n`,
    );
    // its files are those of the new run's mounts
    await container.copyTo('/tmp/new', 'text');
    expect((await container.exec(['cat', '/tmp/new', '/tmp/n'])).stdout).toBe('text2\n');
    expect((await container.inspect()).restartCount).toBe(1);
    await container.kill();
    expect(await ended).toMatchObject({ signal: 'SIGKILL', stdout: runs(2) });
    await expect(container.restart()).rejects.toMatchObject({ code: 'ERR_STATE' });
    await container.remove();
  });

  it.each(['kill', 'remove', 'stop'] as const)('is ended by %s though somebody waits for its next run', async (what) => {
    const container = await made('trap "" TERM; echo run; while :; do sleep 0.01; done', restartable);
    await container.waitFor({ log: 'run' });
    const restarting = container.restart({ timeout: 1_000_000 });
    restarting.catch(() => undefined);
    if (what === 'kill') await container.kill();
    else if (what === 'stop') await container.stop({ timeout: 0 });
    else await container.remove({ force: true });
    await expect(restarting).rejects.toMatchObject({ code: 'ERR_STATE' });
    if (what !== 'remove') expect(await container.wait()).toMatchObject({ signal: 'SIGKILL', stdout: 'run\n' });
    await container.remove();
  });

  it('is started again once for all who ask at a time', async () => {
    const container = await made(`${COUNT} sleep 1000`, restartable);
    await container.waitFor({ log: 'run 1' });
    await Promise.all([container.restart({ timeout: 0 }), container.restart({ timeout: 0 }), container.restart({ timeout: 0 })]);
    expect(container.state).toBe('running');
    const { restartCount } = await container.inspect();
    // the program has begun, and its first command may still come
    await container.waitFor({ log: `run ${restartCount + 1}` });
    expect((await container.exec(['wc', '-l', '/runs'])).stdout).toBe(`${restartCount + 1} /runs\n`);
    await container.remove({ force: true });
  });

  it('does not stay paused over a restart', async () => {
    const container = await made(`${COUNT} trap "exit 0" TERM; while :; do sleep 0.01; done`, restartable);
    await container.waitFor({ log: 'run 1' });
    await container.pause();
    await container.restart();
    await container.waitFor({ log: 'run 2' });
    expect(container.state).toBe('running');
    await container.remove({ force: true });
  });

  it('tells why it can’t be started again, with its last end, and leaves nothing', async () => {
    const folder = join(await temporaryFolder(), 'source');
    mkdirSync(folder);
    const container = await made(`${COUNT} [ -e /go ]; while [ ! -e /tmp/go ]; do sleep 0.01; done; exit 1`, {
      ...how,
      mounts: [{ type: 'bind', source: folder, target: '/mnt' }],
      restart: { on: 'always' },
    });
    await container.waitFor({ log: 'run 1' });
    rmdirSync(folder);
    await container.exec(['touch', '/tmp/go']);
    await expect(container.wait()).rejects.toMatchObject({ code: 'ENOENT', step: 'clone_mount', path: folder });
    expect(container.state).toBe('stopped');
    await container.remove();
  });

  it('keeps the limits that were changed, and is judged by its last run', async () => {
    const hog = 'x=a; while :; do x=$x$x$x$x; done';
    const container = await made(`${COUNT} case $n in 1) ${hog};; 2) sleep 1000;; esac; exit 5`, {
      ...how,
      memory: '64m',
      memorySwap: '64m',
      restart: { on: 'failure', maxRetries: 2 },
    });
    await container.waitFor({ log: 'run 2' });
    await container.update({ pidsLimit: 77 });
    await container.restart({ timeout: 0 });
    const { paths } = (await container.inspect()).cgroup;
    const result = await container.wait();
    expect(result).toMatchObject({ status: 'nonzero-exit', exitCode: 5, oomKilled: false });
    expect(Object.values(paths).some((path) => existsSync(path))).toBe(false);
    await container.remove();
  });

  it('has the limits that were changed in its next run too', async () => {
    const container = await made(`${COUNT} sleep 1000`, restartable);
    await container.update({ pidsLimit: 77 });
    await container.restart({ timeout: 0 });
    const { paths } = (await container.inspect()).cgroup;
    const limits = Object.values(paths).map((path) => readText(join(path, 'pids.max'))?.trim());
    expect(limits).toContain('77');
    await container.remove({ force: true });
  });

  it.each([
    ['a read-only root', { readOnly: true, tmpfs: { '/run': '' } }],
    ['an init', { init: true }],
    ['a user', { user: '65534:65534' }],
    ['the host’s network and pid namespace', { network: 'host', namespaces: { pid: isRoot ? 'host' : 'new', ipc: 'host' } }],
    ['an upper on disk', { upper: 'disk' }],
    ['clocks of its own', { timeOffsets: { monotonic: 1000 } }],
  ] as const)('with %s is the same again', async (_name, options) => {
    const container = await made('id -u; mount | grep -c ^; ls /proc | grep -c ^ > /dev/null && sleep 1000', {
      ...restartable,
      ...options,
    });
    const see = async () => {
      const script =
        'id -u; cat /proc/self/mountinfo | cut -d" " -f5-6 | sort; grep -E "^(Cap|Seccomp|NoNew)" /proc/self/status; readlink /proc/1/cwd; umask';
      return (await container.exec(['sh', '-c', script])).stdout;
    };
    const before = await see();
    await container.restart({ timeout: 0 });
    expect(await see()).toBe(before);
    await container.restart({ timeout: 0 });
    expect(await see()).toBe(before);
    await container.remove({ force: true });
  });
});

describe('a container', () => {
  it('counts the CPU time of one run alone', async () => {
    // about 600 ms, by what the kernel counts for the shell
    const burn = 'while :; do read -r a b c d e f g h i j k l m u s z < /proc/$$/stat; [ $((u + s)) -ge 60 ] && break; done;';
    const container = await made(`${COUNT} ${burn} echo "done $n"; sleep 1000`, { detach: true, cpuTimeLimit: 1000 });
    await container.waitFor({ log: 'done 1' });
    await container.restart({ timeout: 0 });
    await container.waitFor({ log: 'done 2' });
    expect(container.state).toBe('running');
    await container.remove({ force: true });
  });

  it('in a folder that is written to as it is has the same folder again', async () => {
    const rootfs = await busyboxRootfs();
    await using container = await Container.create({
      rootfs,
      readOnly: true,
      tmpfs: { '/tmp': '' },
      command: ['sh', '-c', 'exit 1'],
      restart: { on: 'failure', maxRetries: 2 },
    });
    await container.start();
    expect(await container.wait()).toMatchObject({ exitCode: 1 });
    expect((await container.inspect()).restartCount).toBe(2);
  });

  it('shows the host again', async () => {
    await using container = await Container.create({
      image: 'host',
      command: ['sh', '-c', 'echo run >> /var/runs; cat /etc/hostname > /dev/null; wc -l < /var/runs; exit 1'],
      restart: { on: 'failure', maxRetries: 2 },
    });
    await container.start();
    expect((await container.wait()).stdout).toBe('1\n2\n3\n');
  });

  it('that restarts goes with the process that made it', async () => {
    const program = startNode('detach', [JSON.stringify({ ...(await busybox()), command: ['false'], restart: { on: 'always' } }), 'wait']);
    await program.lines.next();
    program.process.kill('SIGKILL');
    await program.ended;
  });

  it('that is to be started again goes with the process that made it, also while its end is waited for', async () => {
    const options = {
      ...(await busybox()),
      command: ['sh', '-c', 'trap "" TERM; while :; do sleep 0.01; done'],
      healthcheck: { test: ['CMD', 'false'], interval: 20, retries: 1, then: 'restart' },
    };
    const program = startNode('detach', [JSON.stringify(options), 'unhealthy']);
    await program.lines.next();
    expect((await program.lines.next()).value).toBe('unhealthy');
    program.process.kill('SIGKILL');
    await program.ended;
  });

  it('that is detached is started again when the process that made it has gone', async () => {
    const options = { ...(await busybox()), detach: true, restart: { on: 'always' }, command: ['sh', '-c', `${COUNT} sleep 0.05`] };
    const program = startNode('detach', [JSON.stringify(options), 'wait']);
    const id: string = JSON.parse((await program.lines.next()).value ?? '');
    program.process.kill('SIGKILL');
    await program.ended;
    const container = await Container.attach(id);
    await container.waitFor({ log: 'run 4' });
    expect((await container.inspect()).restartCount).toBeGreaterThanOrEqual(3);
    const result = await container.stop({ timeout: 0 });
    expect(String(result.stdout).startsWith(runs(4))).toBe(true);
    await container.remove();
  });

  it('is told apart in its two handles', async () => {
    const one = await made(`${COUNT} sleep 1000`, { detach: true });
    const two = await Container.attach(one.id);
    await one.waitFor({ log: 'run 1' });
    await two.restart({ timeout: 0 });
    await until('the other one hears of it', () => one.pid === two.pid);
    await one.waitFor({ log: 'run 2' });
    expect((await one.exec(['cat', '/runs'])).stdout).toBe('run\nrun\n');
    expect(isAlive(one.pid)).toBe(true);
    await one.remove({ force: true });
  });

  it.each([
    [{ restart: { on: 'sometimes' } }, /restart\.on/],
    [{ restart: { on: 'always', maxRetries: 2 } }, /maxRetries/],
    [{ restart: { on: 'failure', maxRetries: 0 } }, /maxRetries/],
    [{ restart: { on: 'always' }, timeout: 1000 }, /timeout: can't go with restart/],
    [{ restart: { on: 'always' }, tty: true }, /tty: can't go with restart/],
    [{ restart: { on: 'always' }, detach: true, autoRemove: true }, /autoRemove: can't go with restart/],
  ])('refuses %j', async (options, message) => {
    const all = { ...(await busybox()), command: ['true'], ...options } as ContainerOptions;
    await expect(Container.create(all)).rejects.toMatchObject({ code: 'ERR_INVALID_OPTION', message: expect.stringMatching(message) });
  });

  it('that is only run is run once', async () => {
    const all = { ...(await busybox()), command: ['true'], restart: { on: 'always' } } as ContainerOptions;
    await expect(Container.run(all)).rejects.toMatchObject({ code: 'ERR_INVALID_OPTION' });
  });

  it.each([
    ['a terminal', { tty: true, detach: true }],
    ['streams of one run', {}],
  ])('with %s is not started again', async (_, options) => {
    const container = await made('sleep 1000', options);
    await expect(container.restart()).rejects.toMatchObject({
      code: 'ERR_UNSUPPORTED',
      message: expect.stringContaining('its streams are those of one run'),
      fix: expect.stringMatching(/'restart' or 'detach'.*without 'tty'/),
    });
    expect(container.state).toBe('running');
    await container.remove({ force: true });
  });

  it.each([
    ['a terminal', { tty: true, stdin: 'ignore' }],
    ['streams of one run', {}],
    ['a policy', { restart: { on: 'failure' } }],
  ] as const)('with %s is started by restart(), when it was not before', async (_, options) => {
    const container = await Container.create({ ...(await busybox()), command: ['echo', 'first'], ...options });
    await container.restart();
    expect((await container.wait()).stdout.trim()).toBe('first');
    await expect(container.restart()).rejects.toMatchObject({ code: 'ERR_STATE' });
    await container.remove();
  });
});

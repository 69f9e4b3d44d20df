import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, expect, onTestFinished } from 'vitest';
import { ParkedContainers } from '../../../lib/container/pool/parked-containers.js';
import { parsePooled } from '../../../lib/container/pool/pool-options.js';
import { Container, type ContainerOptions, Image, reap, Volume } from '../../../lib/index.js';
import { descendants, makerOfContainers } from '../../fixtures/host.js';
import { busyboxRootfsCopy } from '../../fixtures/images.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { forgetMadeAhead } from '../../fixtures/made-ahead.js';
import { startNode } from '../../fixtures/node.js';
import { waiting } from '../../fixtures/prewarmed.js';
import { requires } from '../../fixtures/requires.js';
import { busybox } from '../../fixtures/sandbox.js';
import { temporaryFolder } from '../../fixtures/temporary.js';
import { until } from '../../fixtures/until.js';

useLeakCheck();
const { describe, it } = requires({ containers: true, tools: ['busybox'] });
const asRoot = requires({ root: true, tools: ['busybox'] });
const folder = temporaryFolder('/var/tmp');

async function options(more: ContainerOptions = {}): Promise<ContainerOptions> {
  return { ...(await busybox()), ...more };
}

/** Of the supervisor that makes containers. */
const processes = (): number[] => descendants(makerOfContainers() ?? 0).map(({ pid }) => pid);

// what Container.run has prewarmed would be taken for one that waits in a pool
beforeEach(forgetMadeAhead);

describe('a pool', () => {
  it('ends with nothing left, but for runs that go on', async () => {
    const pool = await Container.pool(await options({ command: ['cat'] }), { ready: 3 });
    expect(pool.ready).toBe(3);
    const run = pool.run({ stdin: 'pipe' });
    await run.pid;
    const closed = pool.close();
    expect(pool.ready).toBe(0);
    await expect(pool.run()).rejects.toMatchObject({ code: 'ERR_STATE' });
    await until('those that wait are gone', () => waiting().length === 0);
    run.stdin?.end('late');
    expect(await run).toMatchObject({ stdout: 'late' });
    await closed;
    await pool.close();
    expect(waiting()).toEqual([]);
  });

  it('begins anew when what its containers show is there again, and keeps what a run has until its end', async () => {
    const [source, away] = [join(folder, 'shown'), join(folder, 'hidden')];
    mkdirSync(source);
    const volume = await Volume.create(`pool-${process.pid}`);
    onTestFinished(() => volume.remove());
    const pool = await Container.pool(
      await options({
        command: ['cat'],
        mounts: [{ type: 'bind', source, target: '/shown' }],
        volumes: [`${volume.name}:/data`],
      }),
      { ready: 1 },
    );
    const live = pool.run({ stdin: 'pipe' });
    await live.pid;
    renameSync(source, away);
    await expect(pool.run()).rejects.toThrow(source);
    await expect(pool.run()).rejects.toThrow(source);
    expect(pool.ready).toBe(0);
    await expect(volume.remove()).rejects.toMatchObject({ code: 'ERR_IN_USE' });
    renameSync(away, source);
    await until('others wait', async () => {
      await pool.run({ input: '' });
      return pool.ready === 1;
    });
    const closed = pool.close();
    await expect(volume.remove()).rejects.toMatchObject({ code: 'ERR_IN_USE' });
    live.stdin?.end('late');
    expect(await live).toMatchObject({ stdout: 'late' });
    await closed;
  });

  it('keeps what its containers were prepared with for a run, however often it is closed', async () => {
    const volume = await Volume.create(`pool-kept-${process.pid}`);
    onTestFinished(() => volume.remove());
    const parsed = parsePooled({ ...(await options()), command: ['true'], volumes: [`${volume.name}:/data`] });
    const waiting = await ParkedContainers.begin(parsed, 1);
    await waiting.begun;
    const taken = await waiting.take(parsed);
    await waiting.close();
    await waiting.close();
    await expect(volume.remove()).rejects.toMatchObject({ code: 'ERR_IN_USE' });
    await taken?.parked.beginning.close();
    taken?.release();
  });

  it('has the options that it was given, whatever becomes of these', async () => {
    const command = ['echo', 'given'];
    const given = { command, env: { A: 'given' }, copyIn: { '/in': Buffer.from('given') } };
    await using pool = await Container.pool(await options(given), { ready: 1 });
    command[1] = 'changed';
    given.env.A = 'changed';
    given.copyIn['/in'].fill('x');
    expect(await pool.run()).toMatchObject({ stdout: 'given\n' });
    expect(await pool.run({ command: ['sh', '-c', 'echo $A; cat /in'] })).toMatchObject({ stdout: 'given\ngiven' });
  });

  it('tells what is not enforced as Container.run does', async () => {
    const given = await options({ command: ['true'], onUnsupported: 'report' });
    await using pool = await Container.pool(given, { ready: 1 });
    const { notEnforced } = await Container.run({ ...given, cpuTimeLimit: 60_000 });
    expect(await pool.run({ cpuTimeLimit: 60_000 })).toMatchObject({ status: 'ok', notEnforced });
  });

  it('covers what has come to be, and what has moved, since its containers began to wait', async () => {
    const shared = join(folder, 'shared');
    mkdirSync(join(shared, 'keys'), { recursive: true });
    writeFileSync(join(shared, 'keys', 'one'), 'secret');
    const seen = ['/shared/late', '/shared/keys', '/shared/fixed'];
    await using pool = await Container.pool(
      await options({
        mounts: [{ type: 'bind', source: shared, target: '/shared' }],
        maskedPaths: ['/proc/keys', '/proc/scsi', ...seen.slice(0, 2)],
        readonlyPaths: ['/proc/sys', '/shared/fixed'],
      }),
      { ready: 1 },
    );
    writeFileSync(join(shared, 'late'), 'secret');
    renameSync(join(shared, 'keys'), join(shared, 'before'));
    mkdirSync(join(shared, 'keys'));
    writeFileSync(join(shared, 'keys', 'two'), 'secret');
    mkdirSync(join(shared, 'fixed'));
    const there = processes();
    const run = pool.run({
      command: ['sh', '-c', `cat /shared/late; ls /shared/keys; cat /proc/keys; touch /shared/fixed/x; ls ${seen.at(-1)}`],
    });
    expect(there).toContain(await run.pid);
    expect(await run).toMatchObject({ stdout: '', stderr: expect.stringContaining('Read-only') });
  });

  asRoot.it('runs nothing where another folder has come into the place of /proc', async () => {
    const rootfs = await busyboxRootfsCopy();
    onTestFinished(() => rmSync(rootfs, { recursive: true }));
    await using pool = await Container.pool({ rootfs, command: ['cat', '/proc/version'] }, { ready: 1 });
    renameSync(join(rootfs, 'proc'), join(rootfs, 'moved'));
    mkdirSync(join(rootfs, 'proc'));
    writeFileSync(join(rootfs, 'proc', 'version'), 'false');
    await expect(pool.run()).rejects.toThrow(/moved/);
    await until('another one waits', () => pool.ready === 1);
    expect(await pool.run()).toMatchObject({ stdout: expect.stringContaining('Linux') });
  });

  it('replaces one that was killed while it waited', async () => {
    await using pool = await Container.pool(await options({ command: ['echo', 'x'] }), { ready: 1 });
    const [pid = 0] = waiting();
    process.kill(pid, 'SIGKILL');
    await until('Node has heard of it', () => pool.ready === 0);
    expect(await pool.run()).toMatchObject({ stdout: 'x\n' });
    await until('another one waits', () => pool.ready === 1);
    expect(waiting()).not.toContain(pid);
  });

  it('is not made where its containers can not be', async () => {
    const impossible = await options({ mounts: [{ type: 'tmpfs', target: '/bin/busybox/below' }] });
    await expect(Container.pool(impossible, { ready: 2 })).rejects.toThrow(/busybox/);
    await expect(Container.pool(await options({ image: 'dir:/nonexistent' }))).rejects.toMatchObject({ code: 'ERR_IMAGE' });
  });

  it('undoes a container whose run fails, and goes on', async () => {
    await using pool = await Container.pool(await options({ user: 'nobody-there' }), { ready: 1 });
    const before = waiting();
    await expect(pool.run({ command: ['true'] })).rejects.toThrow(/nobody-there/);
    await until('another one waits', () => pool.ready === 1);
    expect(waiting()).not.toEqual(before);
  });

  it.each<[string, ContainerOptions]>([
    ['name', { name: 'one' }],
    ['detach', { detach: true }],
    ['restart', { restart: { on: 'failure' } }],
    ['healthcheck', { healthcheck: { test: ['CMD', 'true'] } }],
    ['ip', { network: 'bridge', ip: '10.89.0.9' }],
    ['ports', { network: 'bridge', ports: ['80'] }],
    ['timeOffsets', { timeOffsets: { monotonic: 1 } }],
    ['cgroup', { cgroup: 'nacelle-test/pool' }],
    ['cgroupParent', { cgroupParent: 'nacelle-test' }],
    ['upper', { upper: 'disk' }],
  ])('is refused with %s', async (option, more) => {
    const made = Container.pool(await options(more), { ready: 1 });
    await expect(made).rejects.toMatchObject({ code: 'ERR_INVALID_OPTION', message: expect.stringContaining(`option ${option}: `) });
  });

  it('refuses what it does not know, and a run’s options of the pool', async () => {
    // @ts-expect-error: there is no such option
    await expect(Container.pool(await options(), { size: 2 })).rejects.toMatchObject({ code: 'ERR_INVALID_OPTION' });
    await expect(Container.pool(await options(), { ready: 0 })).rejects.toMatchObject({ code: 'ERR_INVALID_OPTION' });
    await using pool = await Container.pool(await options(), { ready: 1 });
    // @ts-expect-error: it is the pool's
    await expect(pool.run({ user: '0' })).rejects.toMatchObject({ code: 'ERR_INVALID_OPTION', message: expect.stringContaining('user') });
    await expect(pool.run({})).rejects.toMatchObject({ code: 'ERR_INVALID_OPTION', message: expect.stringContaining('command') });
    await expect(pool.run({ command: ['true'], timeout: -1 })).rejects.toMatchObject({ code: 'ERR_INVALID_OPTION' });
  });

  // the host of an ordinary user has parts that others may remove meanwhile
  asRoot.it('shows nothing that is to be hidden since its containers began to wait', async () => {
    mkdirSync(join(folder, 'keys'));
    const image = Image.host({ hide: [join(folder, 'keys', '*.key')] });
    await using pool = await Container.pool({ image, command: ['ls', join(folder, 'keys')] }, { ready: 2 });
    for (const file of ['one', 'two', 'three']) {
      writeFileSync(join(folder, 'keys', `${file}.key`), 'secret');
      writeFileSync(join(folder, 'keys', `${file}.txt`), '');
      expect(await pool.run()).toMatchObject({ stdout: expect.not.stringContaining('.key'), status: 'ok' });
    }
    await until('others wait', () => pool.ready === 2);
    expect(await pool.run()).toMatchObject({ stdout: 'one.txt\nthree.txt\ntwo.txt\n' });
  });

  it('shows the folders of its image that are there now', async () => {
    const image = await busyboxRootfsCopy();
    onTestFinished(() => rmSync(image, { recursive: true }));
    await using pool = await Container.pool({ image: `dir:${image}`, command: ['cat', '/etc/new'] });
    renameSync(join(image, 'etc'), join(image, 'etc-before'));
    mkdirSync(join(image, 'etc'));
    writeFileSync(join(image, 'etc/new'), 'new');
    expect(await pool.run()).toMatchObject({ stdout: 'new', status: 'ok' });
    await until('others wait', () => pool.ready === 2);
    expect(await pool.run()).toMatchObject({ stdout: 'new', status: 'ok' });
  });

  it('shows what is at the path of a bind now', async () => {
    const [one, two] = [join(folder, 'one'), join(folder, 'two')];
    for (const path of [one, two]) mkdirSync(path);
    writeFileSync(join(two, 'second'), '');
    await using pool = await Container.pool(
      await options({ command: ['ls', '/seen'], mounts: [{ type: 'bind', source: one, target: '/seen' }] }),
    );
    expect(await pool.run()).toMatchObject({ stdout: '' });
    renameSync(one, join(folder, 'away'));
    renameSync(two, one);
    expect(await pool.run()).toMatchObject({ stdout: 'second\n' });
  });

  // those of an ordinary user are below another process
  asRoot.it('keeps no process alive, and goes with its process', async () => {
    const idle = startNode('pool', ['idle']);
    expect(await idle.ended).toMatchObject({ code: 0, stdout: 'ready\nran\n' });
    for (const whom of ['Node', 'the shim'] as const) {
      const program = startNode('pool', ['stay']);
      expect((await program.lines.next()).value).toBe('ready');
      const shim = Number((await program.lines.next()).value);
      const pids = descendants(shim).map(({ pid }) => pid);
      expect(pids.length).toBeGreaterThanOrEqual(2);
      process.kill(whom === 'Node' ? program.pid : shim, 'SIGKILL');
      await until('all have ended', () => descendants(shim).length === 0);
      if (whom === 'the shim') program.process.kill('SIGTERM');
      await program.ended;
      // of a shim that was killed, the groups are left for whoever reaps
      expect((await reap()).failures).toEqual([]);
    }
  });

  asRoot.it('has others wait by another supervisor when its own was killed', async () => {
    expect(await startNode('pool', ['again']).ended).toMatchObject({ code: 0, stdout: 'ready\nran\nready\n', stderr: '' });
    expect((await reap()).failures).toEqual([]);
  });
});

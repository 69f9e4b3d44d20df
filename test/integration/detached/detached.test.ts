import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { Container, Namespace, reap, Volume } from '../../../lib/index.js';
import { runtimeDir } from '../../../lib/native/runtime-dir.js';
import { detachedShim, folderOfDetached, useDetached } from '../../fixtures/detached.js';
import { isAlive, namespaceOf, processInfo } from '../../fixtures/host.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { runNode, startNode } from '../../fixtures/node.js';
import { requires } from '../../fixtures/requires.js';
import { busybox } from '../../fixtures/sandbox.js';
import { until } from '../../fixtures/until.js';

useLeakCheck();
useDetached();
const { describe, it } = requires({ containers: true, groups: true, tools: ['busybox'] });

const options = async (script: string) => ({ ...(await busybox()), detach: true, command: ['sh', '-c', script] }) as const;

async function started(script: string, more: object = {}): Promise<Container> {
  const container = await Container.create({ ...(await options(script)), ...more });
  await container.start();
  return container;
}

describe('a detached container', () => {
  it.each(['end', 'wait'])('outlives the process that made it (which will %s), and is found by id and name', async (then) => {
    const text = JSON.stringify({ ...(await options('echo one; read x; echo $x; exit 7')), name: 'nacelle-test', stdin: 'pipe' });
    const program = startNode('detach', [text, then]);
    const id: string = JSON.parse((await program.lines.next()).value ?? '');
    program.process.kill('SIGKILL');
    await program.ended;
    const byId = await Container.attach(id);
    expect(byId).toMatchObject({ id, name: 'nacelle-test', state: 'running' });
    expect(isAlive(byId.pid)).toBe(true);
    const byName = await Container.attach('nacelle-test');
    expect(byName.pid).toBe(byId.pid);
    byName.stdin?.write('two\n');
    const [one, two] = await Promise.all([byId.wait(), byName.wait()]);
    expect(one).toMatchObject({ id, status: 'nonzero-exit', exitCode: 7, stdout: 'one\ntwo\n', command: ['sh', '-c', expect.any(String)] });
    expect(two).toEqual({ ...one, setupMs: expect.any(Number) });
    // and long after the end, in whatever process
    expect(await (await Container.attach(id)).wait()).toEqual({ ...one, setupMs: expect.any(Number) });
  });

  it('is in no process tree of the process that made it', async () => {
    const container = await started('sleep 1000');
    const shim = detachedShim(container.id);
    expect(processInfo(shim)?.parent).not.toBe(process.pid);
    expect(processInfo(container.pid)?.parent).toBe(shim);
  });

  it('is created, started by another process, killed, stopped and removed by others', async () => {
    const made = await Container.create(await options('trap "exit 3" TERM; echo ready; while :; do sleep 0.1; done'));
    expect(made.state).toBe('created');
    const other = await Container.attach(made.id);
    expect(other.state).toBe('created');
    await other.start();
    expect((await Container.attach(made.id)).state).toBe('running');
    // until then it has no trap
    await other.waitFor({ log: 'ready' });
    expect(await other.stop()).toMatchObject({ status: 'nonzero-exit', exitCode: 3 });
    await until('the first handle knows', () => made.state === 'stopped');
    await made.remove();
    await expect(Container.attach(made.id)).rejects.toMatchObject({ code: 'ERR_NO_CONTAINER' });
    expect(existsSync(folderOfDetached(made.id))).toBe(false);
  });

  it('runs programs for any process, is paused and updated, and counts', async () => {
    const made = await started('sleep 1000', { memory: '64m' });
    const other = await Container.attach(made.id);
    expect(await other.exec(['cat', '/proc/1/cmdline'])).toMatchObject({ status: 'ok', stdout: expect.stringContaining('sleep') });
    await other.pause();
    expect((await Container.attach(made.id)).state).toBe('paused');
    await other.resume();
    await other.update({ memory: '32m' });
    expect((await other.stats()).memoryCurrent).toBeGreaterThan(0);
    // judged by the limit as it is now, whoever asks
    await expect(made.exec(['sh', '-c', 'a=x; while :; do a=$a$a; done'])).resolves.toMatchObject({ status: 'memory-limit' });
  });

  it('keeps its changes and its end until it is removed', async () => {
    const container = await started('echo hello > /made; exit 0');
    await container.wait();
    const other = await Container.attach(container.id);
    const changes = [];
    for await (const change of other.changes()) changes.push(change);
    expect(changes).toContainEqual({ kind: 'added', path: '/made', type: 'file' });
    await other.remove();
    await expect((async () => container.remove())()).resolves.toBeUndefined();
  });

  it('reads files out for whoever waits', async () => {
    const container = await started('echo data > /tmp/out; exit 0', { copyOut: ['/tmp/out'], tmpfs: { '/tmp': '' } });
    expect((await container.wait()).files).toEqual({ '/tmp/out': expect.anything() });
    expect((await (await Container.attach(container.id)).wait()).files).toEqual({ '/tmp/out': expect.anything() });
  });

  it('is removed at its end with autoRemove', async () => {
    const container = await started('exit 5', { autoRemove: true, name: 'nacelle-test' });
    expect(await container.wait()).toMatchObject({ exitCode: 5 });
    await until('it is gone', () => !existsSync(folderOfDetached(container.id)));
    await expect(Container.attach('nacelle-test')).rejects.toMatchObject({ code: 'ERR_NO_CONTAINER' });
  });

  it('is left by its handle, not removed', async () => {
    const made = await started('sleep 1000');
    {
      await using handle = await Container.attach(made.id);
      expect(handle.state).toBe('running');
    }
    expect((await Container.attach(made.id)).state).toBe('running');
  });

  it('keeps Node alive only while somebody waits', async () => {
    expect(await runNode('detach', [JSON.stringify(await options('sleep 1000'))])).toMatch(/^[0-9a-f]{32}$/);
  });

  it('that can not be made leaves nothing', async () => {
    const missing = { ...(await options('true')), command: ['/nowhere'], name: 'nacelle-test' };
    const made = await Container.create(missing);
    await expect(made.start()).rejects.toMatchObject({ code: 'ENOENT' });
    await until('it is gone', () => !existsSync(folderOfDetached(made.id)));
    await expect(Container.create({ ...(await options('true')), user: 'nobody-of-that-name' })).rejects.toMatchObject({ code: 'ENOENT' });
    await until(
      'nothing is left',
      () => (existsSync(join(runtimeDir(), 'containers')) ? readdirSync(join(runtimeDir(), 'containers')) : []).length === 0,
    );
  });
});

it('keeps its volume, and the layers of its image, after the end of the process that made it', async () => {
  const volume = await Volume.create(`nacelle-test-${process.pid}`);
  try {
    const text = JSON.stringify({ ...(await options('sleep 1000')), volumes: [`${volume.name}:/data`] });
    const id = await runNode<string>('detach', [text]);
    await expect(volume.remove()).rejects.toMatchObject({ code: 'ERR_IN_USE' });
    const container = await Container.attach(id);
    await container.copyTo('/data/file', 'kept');
    await container.remove({ force: true });
    await volume.remove();
  } finally {
    await volume.remove().catch(() => undefined);
  }
});

it('gives and takes files for any process, also after its end', async () => {
  const made = await started('echo inside > /file; exit 0');
  await made.wait();
  const other = await Container.attach(made.id);
  await other.copyTo('/added', 'from outside');
  const chunks: Buffer[] = [];
  for await (const chunk of await other.copyFrom('/added')) chunks.push(chunk);
  expect(Buffer.concat(chunks).toString()).toContain('from outside');
});

describe('Container.list()', () => {
  it('has the detached ones of all processes, and finds by label, name and state', async () => {
    const one = await started('sleep 1000', { labels: { test: 'one', both: 'yes' }, name: 'nacelle-test-one' });
    const two = await started('exit 0', { labels: { test: 'two', both: 'yes' } });
    await two.wait();
    expect((await Container.list({ labels: { both: 'yes' } })).map(({ id }) => id)).toEqual([one.id, two.id]);
    expect(await Container.list({ labels: { test: 'two', both: 'yes' } })).toMatchObject([{ id: two.id, state: 'stopped', name: null }]);
    expect(await Container.list({ name: 'nacelle-test-one' })).toMatchObject([{ id: one.id, state: 'running', pid: one.pid }]);
    expect(await Container.list({ state: 'running' })).toMatchObject([{ id: one.id }]);
    await expect(Container.list({ nme: 'x' } as object)).rejects.toMatchObject({ code: 'ERR_INVALID_OPTION' });
    expect(await Container.prune()).toEqual({ containers: [two.id] });
    expect((await Container.list()).map(({ id }) => id)).toEqual([one.id]);
  });

  it('says unknown of one whose shim does not answer, and tells of the others', async () => {
    const container = await started('sleep 1000');
    const other = await started('sleep 1000');
    const shim = detachedShim(container.id);
    process.kill(shim, 'SIGSTOP');
    try {
      expect(await Container.list()).toMatchObject([
        { id: container.id, state: 'unknown' },
        { id: other.id, state: 'running' },
      ]);
      await expect(Container.attach(container.id)).rejects.toMatchObject({ code: 'ERR_SHIM_SILENT' });
    } finally {
      process.kill(shim, 'SIGCONT');
    }
    expect(await Container.list({ state: 'running' })).toHaveLength(2);
  });
});

describe('names', () => {
  it('are unique while their container is there', async () => {
    const name = 'nacelle-test';
    const one = await started('sleep 1000', { name });
    await expect(started('true', { name })).rejects.toMatchObject({ code: 'ERR_NAME_TAKEN' });
    expect((await Container.attach(name)).id).toBe(one.id);
    await one.remove({ force: true });
    const two = await started('sleep 1000', { name });
    expect((await Container.attach(name)).id).toBe(two.id);
  });

  it('lead nowhere else', async () => {
    const container = await started('sleep 1000');
    for (const wrong of ['..', '../owners/x', `../containers/${container.id}/note`, '', 'no-such'])
      await expect(Container.attach(wrong)).rejects.toMatchObject({ code: expect.stringMatching(/^ERR_(NO_CONTAINER|INVALID_OPTION)$/) });
  });
});

describe('when the shim dies', () => {
  it('a running container goes with it, and reap() removes the rest', async () => {
    const container = await started('sleep 1000', { name: 'nacelle-test', upper: 'disk' });
    const { pid } = container;
    process.kill(detachedShim(container.id), 'SIGKILL');
    await expect(container.wait()).rejects.toMatchObject({ code: 'ERR_SHIM_DIED', message: expect.stringContaining(container.id) });
    await until('its program is dead', () => !isAlive(pid));
    expect(await reap()).toMatchObject({ owners: [container.id], failures: [] });
    await expect(Container.attach('nacelle-test')).rejects.toMatchObject({ code: 'ERR_NO_CONTAINER' });
    expect(await Container.list()).toEqual([]);
  });

  it('an ended one is still data: its result and its logs, until it is removed', async () => {
    const container = await started('echo kept; exit 9', { name: 'nacelle-test' });
    const result = await container.wait();
    process.kill(detachedShim(container.id), 'SIGKILL');
    await until('the handle knows', () =>
      container.remove().then(
        () => false,
        () => true,
      ),
    );
    await reap();
    expect(await Container.list()).toMatchObject([{ id: container.id, state: 'stopped', name: 'nacelle-test' }]);
    const other = await Container.attach('nacelle-test');
    expect(await other.wait()).toEqual({ ...result, setupMs: expect.any(Number) });
    await expect(other.exec(['true'])).rejects.toMatchObject({ code: 'ERR_STATE' });
    await other.remove();
    expect(await Container.list()).toEqual([]);
    await expect(started('true', { name: 'nacelle-test' })).resolves.toBeDefined();
  });
});

describe('bad input', () => {
  it.each([
    ['input', { input: 'x' }],
    ['stdout', { stdout: 'inherit' }],
    ['stdin', { stdin: 'inherit' }],
  ])('%s is refused before anything is made', async (name, more) => {
    await expect(Container.create({ ...(await options('true')), ...more } as object)).rejects.toMatchObject({
      code: 'ERR_INVALID_OPTION',
      message: expect.stringContaining(name),
    });
  });

  it('what is this process alone is refused', async () => {
    const { pid } = await Namespace.create(['pid']);
    await expect(Container.create({ ...(await options('true')), namespaces: { pid } })).rejects.toMatchObject({
      code: 'ERR_INVALID_OPTION',
    });
    await pid.close();
    await using own = await Container.create({ ...(await busybox()), command: ['true'] });
    await expect(Container.create({ ...(await options('true')), network: own })).rejects.toMatchObject({ code: 'ERR_INVALID_OPTION' });
    await expect(Container.create({ ...(await busybox()), command: ['true'], autoRemove: true })).rejects.toMatchObject({
      code: 'ERR_INVALID_OPTION',
    });
    await expect(Container.run({ ...(await options('true')) } as object)).rejects.toMatchObject({ code: 'ERR_INVALID_OPTION' });
  });

  it('the network of another one that is detached is shared', async () => {
    const first = await started('sleep 1000');
    const second = await started('sleep 1000', { network: first });
    expect(namespaceOf(second.pid, 'net')).toBe(namespaceOf(first.pid, 'net'));
    expect((await second.inspect()).options?.network).toBe('joined');
  });
});

requires({ root: true, tools: ['busybox', 'unshare'] }).it(
  'its shim speaks to nobody of another namespace, whatever the user',
  async () => {
    const container = await started('sleep 1000');
    const failure = await runNode('attach', [container.id], { through: ['unshare', '-p', '-f', '--mount-proc'] });
    expect(failure).toMatchObject({ code: 'ERR_SHIM_DIED' });
    expect(await runNode('attach', [container.id])).toBe('running');
  },
);

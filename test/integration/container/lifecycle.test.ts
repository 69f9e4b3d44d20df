import { getEventListeners, once } from 'node:events';
import { expect } from 'vitest';
import { Container } from '../../../lib/index.js';
import { isAlive, namespaceOf, processInfo } from '../../fixtures/host.js';
import { leftovers, snapshot, useLeakCheck } from '../../fixtures/leaks.js';
import { startNode } from '../../fixtures/node.js';
import { requires } from '../../fixtures/requires.js';
import { busybox } from '../../fixtures/sandbox.js';
import { until } from '../../fixtures/until.js';

useLeakCheck();
const { describe, it } = requires({ containers: true, tools: ['busybox'] });
const asRoot = requires({ root: true, tools: ['busybox'] });
const sleeper = async () => Container.create({ ...(await busybox()), command: ['sleep', '1000'] });
const shell = async (script: string) => Container.create({ ...(await busybox()), command: ['sh', '-c', script] });

describe('a container', () => {
  it('is made, started, and waited for', async () => {
    await using container = await shell('echo hello; exit 3');
    expect(container.state).toBe('created');
    expect(container.pid).toBeGreaterThan(0);
    expect(container.name).toBeNull();
    expect(isAlive(container.pid)).toBe(true);
    expect(processInfo(container.pid)?.command).not.toBe('sh');
    await container.start();
    const result = await container.wait();
    expect(container.state).toBe('stopped');
    expect(result).toMatchObject({ id: container.id, status: 'nonzero-exit', exitCode: 3, stdout: 'hello\n' });
  });

  it('has its name', async () => {
    await using container = await Container.create({
      ...(await busybox()),
      command: ['true'],
      name: 'nacelle-test-name',
      labels: { a: 'b' },
    });
    expect(container.name).toBe('nacelle-test-name');
  });

  it('ids differ', async () => {
    await using one = await sleeper();
    await using two = await sleeper();
    expect(one.id).not.toBe(two.id);
  });

  it('can be waited for as often as you like, before, meanwhile and after', async () => {
    await using container = await shell('echo x');
    const early = container.wait();
    await container.start();
    const results = await Promise.all([early, container.wait(), container.wait()]);
    results.push(await container.wait());
    for (const result of results) expect(result).toEqual(results[0]);
  });

  it('starts once', async () => {
    await using container = await sleeper();
    await container.start();
    await expect(container.start()).rejects.toThrow(/start/);
    expect(container.state).toBe('running');
  });

  it('that was never started is removed as well', async () => {
    const container = await sleeper();
    const { pid } = container;
    await container.remove();
    expect(isAlive(pid)).toBe(false);
    await expect(container.start()).rejects.toThrow();
  });

  asRoot.it.each([false, true])(
    'whose process is killed from outside before its start says so, and leaves nothing (init: %s)',
    async (init) => {
      const before = snapshot();
      const container = await Container.create({ ...(await busybox()), command: ['true'], memory: '64m', upper: 'disk', init });
      const early = container.wait();
      process.kill(container.pid, 'SIGKILL');
      await until('it is dead', () => !isAlive(container.pid));
      // by then it may know itself that it is over
      await expect(container.start()).rejects.toMatchObject({ name: 'NacelleError', code: expect.stringMatching(/^ERR_(ENDED|STATE)$/) });
      expect(container.state).toBe('stopped');
      const result = await early;
      expect(result).toMatchObject({ status: 'signalled', signal: 'SIGKILL', exitCode: null, stdout: '', durationMs: 0 });
      expect(Math.abs(result.startedAt.getTime() - Date.now())).toBeLessThan(3_600_000);
      expect(await container.wait()).toEqual(result);
      expect((await Container.list()).map(({ id }) => id)).not.toContain(container.id);
      // what it wrote could be looked into until then
      await container.remove();
      expect(await leftovers(before)).toEqual([]);
    },
  );

  it('that is killed by its caller before its start ran for no time', async () => {
    await using container = await sleeper();
    await container.kill();
    expect(await container.wait()).toMatchObject({ status: 'signalled', reason: expect.stringContaining('the caller'), durationMs: 0 });
    await expect(container.start()).rejects.toMatchObject({ name: 'NacelleError' });
  });

  it('tells that a program is missing, by name', async () => {
    await using container = await Container.create({ ...(await busybox()), command: ['no-such-program'] });
    await expect(container.start()).rejects.toMatchObject({ code: 'ENOENT', message: expect.stringContaining('no-such-program') });
    expect(container.state).toBe('stopped');
  });
});

describe('ending it', () => {
  it('kill() ends the tree, kill(signal) reaches the first process', async () => {
    await using container = await shell('trap "echo hup" HUP; echo ready; while :; do sleep 0.02; done');
    const { stdout } = container;
    const lines = stdout?.setEncoding('utf8')[Symbol.asyncIterator]();
    await container.start();
    expect((await lines?.next())?.value).toBe('ready\n');
    await container.kill('SIGHUP');
    expect((await lines?.next())?.value).toBe('hup\n');
    await container.kill();
    expect(await container.wait()).toMatchObject({ status: 'signalled', signal: 'SIGKILL' });
  });

  it('kill() after the end reaches no bystander and is no error', async () => {
    await using container = await shell('true');
    await container.start();
    await container.wait();
    await container.kill();
    await container.kill('SIGTERM');
  });

  it('stop() asks first', async () => {
    await using container = await shell('trap "echo stopped; exit 0" TERM; echo ready; while :; do sleep 0.02; done');
    const ready = new Promise((resolve) => container.stdout?.once('data', resolve));
    await container.start();
    await ready;
    expect(await container.stop()).toMatchObject({ exitCode: 0, signal: null });
    expect(container.state).toBe('stopped');
  });

  it('stop() kills after its timeout', async () => {
    await using container = await shell('trap "" TERM; echo ready; while :; do sleep 0.02; done');
    const ready = new Promise((resolve) => container.stdout?.once('data', resolve));
    await container.start();
    await ready;
    expect(await container.stop({ timeout: 200 })).toMatchObject({ signal: 'SIGKILL' });
  });

  it.each([Number.NaN, -1, Number.POSITIVE_INFINITY, 2 ** 31])('stop() refuses a timeout that no timer keeps: %s', async (timeout) => {
    await using container = await sleeper();
    await container.start();
    await expect(container.stop({ timeout })).rejects.toMatchObject({ code: 'ERR_INVALID_OPTION' });
    expect(isAlive(container.pid)).toBe(true);
  });

  it('remove() of one that runs needs force', async () => {
    await using container = await sleeper();
    await container.start();
    await expect(container.remove()).rejects.toThrow(/running|force/);
    expect(isAlive(container.pid)).toBe(true);
    await container.remove({ force: true });
    expect(isAlive(container.pid)).toBe(false);
  });

  it('remove() is idempotent, also at once', async () => {
    const container = await shell('true');
    await container.start();
    await container.wait();
    await Promise.all([container.remove(), container.remove()]);
    await container.remove({ force: true });
    await container[Symbol.asyncDispose]();
  });

  it('wait() still answers after remove()', async () => {
    const container = await shell('exit 4');
    await container.start();
    const result = await container.wait();
    await container.remove();
    expect(await container.wait()).toEqual(result);
  });

  it('wait() and stop() are given up, and the container goes on', async () => {
    await using container = await Container.create({
      ...(await busybox()),
      command: ['sh', '-c', "trap '' TERM; echo ready; while :; do sleep 0.01; done"],
    });
    await container.start();
    await once(container.stdout ?? process, 'data');
    for (const give of [container.wait.bind(container), container.stop.bind(container)]) {
      const stop = new AbortController();
      const waiting = give({ cancelSignal: stop.signal });
      stop.abort(new Error('enough'));
      await expect(waiting).rejects.toThrow('enough');
      await expect(give({ cancelSignal: stop.signal })).rejects.toThrow('enough');
      expect(getEventListeners(stop.signal, 'abort')).toEqual([]);
    }
    await expect(container.wait({ cancelSignal: 1 as unknown as AbortSignal })).rejects.toMatchObject({ code: 'ERR_INVALID_OPTION' });
    expect(container.state).toBe('running');
    expect(await container.stop({ timeout: 0 })).toMatchObject({ signal: 'SIGKILL' });
  });

  it('await using removes it, whatever it does', async () => {
    const before = snapshot();
    {
      await using container = await sleeper();
      await container.start();
      await using parked = await sleeper();
      expect(parked.state).toBe('created');
    }
    expect(await leftovers(before)).toEqual([]);
  });
});

describe('while it runs', () => {
  it('stats() as often as you like, and after the end', async () => {
    await using container = await sleeper();
    await container.start();
    const usage = await container.stats();
    expect(usage.cpuTimeMs).toBeGreaterThanOrEqual(0);
    expect(usage.network).toEqual({});
    await Promise.all([container.stats(), container.stats()]);
  });

  it('namespace(type) is the one of its process', async () => {
    await using container = await sleeper();
    await container.start();
    for (const type of ['mnt', 'net', 'uts', 'ipc', 'pid', 'cgroup'] as const) {
      await using namespace = await container.namespace(type);
      expect(`${type}:[${namespace.inode}]`).toBe(namespaceOf(container.pid, type));
      expect(namespace.type).toBe(type);
    }
  });

  it('list() has it, with its name and state', async () => {
    await using container = await Container.create({ ...(await busybox()), command: ['sleep', '1000'], name: 'nacelle-test-listed' });
    await container.start();
    expect(await Container.list()).toContainEqual(
      expect.objectContaining({ id: container.id, name: 'nacelle-test-listed', state: 'running' }),
    );
    await container.remove({ force: true });
    expect((await Container.list()).map((info) => info.id)).not.toContain(container.id);
  });
});

describe('the event loop', () => {
  it('ends when a container was let go with unref(), which ends with it', async () => {
    const program = startNode('unref');
    const { pid } = JSON.parse(String((await program.lines.next()).value)) as { pid: number };
    expect(await program.ended).toMatchObject({ code: 0 });
    await until('its container is gone', () => !isAlive(pid));
  });

  it.each(['forget', 'forget with pipes'])('ends when a container was made and never started, which ends with it (%s)', async (what) => {
    const program = startNode('parked', [what]);
    const { pid } = JSON.parse(String((await program.lines.next()).value)) as { pid: number };
    expect(await program.ended).toMatchObject({ code: 0, stderr: '' });
    await until('its container is gone', () => !isAlive(pid));
  });

  it.each(['start', 'let go and start', 'remove', 'stop', 'let go and remove', 'dispose'])(
    'is kept while one that was made is asked for something, until that is done (%s)',
    async (what) => {
      const program = startNode('parked', [what]);
      const { pid } = JSON.parse(String((await program.lines.next()).value)) as { pid: number };
      expect(await program.ended).toMatchObject({ code: 0, stdout: expect.stringMatching(/\ndone\n$/) });
      await until('its container is gone', () => !isAlive(pid));
    },
  );

  it('is kept while the end of one is waited for that was not started yet', async () => {
    const program = startNode('parked', ['wait']);
    const { pid } = JSON.parse(String((await program.lines.next()).value)) as { pid: number };
    process.kill(pid, 'SIGKILL');
    expect(await program.ended).toMatchObject({ code: 0, stdout: expect.stringMatching(/\ndone\n$/) });
  });

  it('is kept by a container that runs, until it ends', async () => {
    const program = startNode('unref', ['keep']);
    const { pid } = JSON.parse(String((await program.lines.next()).value)) as { pid: number };
    expect(isAlive(pid)).toBe(true);
    process.kill(pid, 'SIGKILL');
    expect(await program.ended).toMatchObject({ code: 0 });
  });
});

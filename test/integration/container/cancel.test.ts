import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { beforeAll, expect } from 'vitest';
import { Cgroup, Container, Namespace } from '../../../lib/index.js';
import { entries, readText } from '../../fixtures/host.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { requires } from '../../fixtures/requires.js';
import { busybox } from '../../fixtures/sandbox.js';
import { temporaryFolder } from '../../fixtures/temporary.js';
import { until } from '../../fixtures/until.js';

useLeakCheck();
const { describe, it } = requires({ containers: true, groups: true, tools: ['busybox'], unified: true, kernel: '5.14' });
const folder = temporaryFolder();

/** With the first look at events Node opens what it keeps. */
beforeAll(async () => {
  await using group = await Cgroup.create(`nacelle-test-${process.pid}-first`);
  await group.freeze();
});

/** Below a group that stands still nothing is ever set up to its end: a program there has begun when a process is in a group below. */
async function frozen(name: string): Promise<{ group: Cgroup; begun(): Promise<unknown> }> {
  const group = await Cgroup.create(`nacelle-test-${process.pid}-${name}`);
  await group.freeze();
  const path = group.paths.unified ?? '';
  const begun = () =>
    until('its process is there', () =>
      entries(path).some((entry) => ['', 'main'].some((leaf) => (readText(join(path, entry, leaf, 'cgroup.procs')) ?? '') !== '')),
    );
  return { group, begun };
}

describe('cancelSignal is heard while the program is not running yet', () => {
  it('by Container.run: the set-up is killed, and that is a result with its evidence', async () => {
    const { group, begun } = await frozen('run');
    await using _ = group;
    const controller = new AbortController();
    const options = { ...(await busybox()), command: ['echo', 'never'], cgroupParent: group };
    const running = Container.run({ ...options, cancelSignal: controller.signal });
    await begun();
    controller.abort();
    const result = await running;
    expect(result).toMatchObject({
      status: 'canceled',
      isCanceled: true,
      signal: 'SIGKILL',
      durationMs: 0,
      stdout: '',
      files: {},
    });
    expect(result.id).not.toBe('');
    expect(result.usage.memoryPeak).not.toBe(undefined);
  });

  it('also by one whose first part was prewarmed, and reject makes an error of it', async () => {
    const options = { ...(await busybox()), command: ['cat'] };
    for (let i = 0; i < 3; i++) await Container.run(options);
    const controller = new AbortController();
    const running = Container.run({
      ...options,
      command: ['true'],
      cancelSignal: controller.signal,
      reject: true,
      stdout: held(controller),
    });
    await expect(running).rejects.toMatchObject({ code: 'ERR_RUN_FAILED', status: 'canceled' });
  });

  it('by Container.create, which rejects with its reason', async () => {
    const { group, begun } = await frozen('create');
    await using _ = group;
    const controller = new AbortController();
    const options = { ...(await busybox()), command: ['true'], cgroupParent: group, cancelSignal: controller.signal };
    const creating = Container.create(options);
    await begun();
    controller.abort(new Error('enough'));
    await expect(creating).rejects.toThrow('enough');
    expect(await Container.list()).toEqual([]);
  });

  it('by Container.create of a detached one, of which nothing is left, its name neither', async () => {
    const { group, begun } = await frozen('detached');
    await using _ = group;
    const controller = new AbortController();
    const options = { ...(await busybox()), command: ['sleep', '1000'], detach: true, name: 'nacelle-test-cancelled' };
    const creating = Container.create({
      ...options,
      cgroupParent: `nacelle-test-${process.pid}-detached`,
      cancelSignal: controller.signal,
    });
    await begun();
    controller.abort(new Error('enough'));
    await expect(creating).rejects.toThrow('enough');
    await expect(Container.create({ ...options, cancelSignal: AbortSignal.abort(new Error('before')) })).rejects.toThrow('before');
    expect(await Container.list()).toEqual([]);
    // once it is made the signal has no say, and neither has the name
    const made = new AbortController();
    const container = await Container.create({ ...options, cancelSignal: made.signal });
    await container.start();
    made.abort();
    expect((await container.exec(['true'])).status).toBe('ok');
    await container.remove({ force: true });
  });

  it('while a container that was created runs, unless it is started again', async () => {
    const controller = new AbortController();
    const options = { ...(await busybox()), command: ['sleep', '1000'], cancelSignal: controller.signal };
    await using once = await Container.create(options);
    await using again = await Container.create({ ...options, restart: { on: 'always' } });
    await Promise.all([once.start(), again.start()]);
    controller.abort();
    expect(await once.wait()).toMatchObject({ status: 'canceled', reason: 'killed because cancelSignal was aborted' });
    expect((await again.exec(['true'])).status).toBe('ok');
    expect((await again.inspect()).restartCount).toBe(0);
  });

  it('by Cgroup.run', async () => {
    const { group, begun } = await frozen('group');
    await using _ = group;
    const controller = new AbortController();
    const running = group.run(['echo', 'never'], { cancelSignal: controller.signal });
    await begun();
    controller.abort();
    await expect(running.pid).rejects.toMatchObject({ code: 'ERR_ENDED' });
    expect(await running).toMatchObject({ status: 'canceled', isCanceled: true, stdout: '' });
    await group.thaw();
  });

  it('by Namespace.run and Cgroup.run that were cancelled before, without a process', async () => {
    await using namespace = await Namespace.of('self', 'uts');
    await using group = await Cgroup.create(`nacelle-test-${process.pid}-before`);
    for (const held of [namespace, group]) {
      const result = await held.run(['echo', 'never'], { cancelSignal: AbortSignal.abort() });
      expect(result).toMatchObject({ status: 'canceled', stdout: '', command: ['echo', 'never'], signal: null });
    }
  });

  it('while a stream of the caller’s is waited for', async () => {
    for (const run of [
      async (options: object) => Container.run({ ...(await busybox()), command: ['cat'], ...options }),
      async (options: object) => {
        await using namespace = await Namespace.of('self', 'uts');
        return await namespace.run(['cat'], options);
      },
    ]) {
      const controller = new AbortController();
      // it is never opened
      const pending = Object.assign(new Writable({ write: (_chunk, _encoding, done) => done() }), { pending: true, path: 'x' });
      const running = run({ stdout: pending, cancelSignal: controller.signal });
      await until('it waits', () => pending.listenerCount('open') > 0);
      controller.abort();
      expect(await running).toMatchObject({ status: 'canceled', stdout: '' });
    }
  });
});

/** Aborts when the program's streams are opened: its set-up follows. */
function held(controller: AbortController): Writable {
  return Object.defineProperty(new Writable({ write: (_chunk, _encoding, done) => done() }), 'fd', {
    get: () => {
      queueMicrotask(() => controller.abort());
      return undefined;
    },
  });
}

describe('a source of copyIn', () => {
  it.each([
    ['a FIFO', () => fifo('fifo')],
    ['a device', () => '/dev/zero'],
  ])('that is %s is refused before anything is made', async (_, source) => {
    const run = Container.run({ ...(await busybox()), command: ['true'], copyIn: { '/x': { source: source() } } });
    await expect(run).rejects.toMatchObject({ code: 'ERR_INVALID_OPTION', message: expect.stringContaining(source()) });
  });
});

function fifo(name: string): string {
  const path = join(folder, name);
  if (!entries(folder).includes(name)) execFileSync('mkfifo', [path]);
  return path;
}

import { beforeEach, expect, describe as group } from 'vitest';
import { containerShim } from '../../../lib/host/container-shim.js';
import { Container, type Mount, type RunOptions } from '../../../lib/index.js';
import { cgroupFolders, pidOf } from '../../fixtures/host.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { forgetMadeAhead } from '../../fixtures/made-ahead.js';
import { runNode } from '../../fixtures/node.js';
import { waiting } from '../../fixtures/prewarmed.js';
import { requires } from '../../fixtures/requires.js';
import { busybox } from '../../fixtures/sandbox.js';
import { until } from '../../fixtures/until.js';

useLeakCheck();
const { it } = requires({ containers: true, groups: true, tools: ['busybox'] });
const mounting = requires({ root: true, tools: ['busybox', 'unshare', 'mount', 'umount'] });

/** With a file system of the caller's, for which a whole container is never parked. */
async function options(more: RunOptions = {}): Promise<RunOptions> {
  const mounts: Mount[] = [{ type: 'bind', source: '/etc', target: '/of-host', readOnly: true }];
  return { ...(await busybox()), command: ['true'], mounts, ...more };
}

/** Two containers of a shape, so that a third is expected. */
async function twice(more: RunOptions = {}): Promise<number> {
  for (let i = 0; i < 2; i++) expect(await Container.run(await options(more))).toMatchObject({ status: 'ok' });
  const [pid] = await until('one waits', () => (waiting().length === 1 ? waiting() : null));
  return pidOf({ pid });
}

/** A container that was created has another group than one that only runs: one of the same shape, which has ended. */
async function created(command = ['true']): Promise<void> {
  await using container = await Container.create(await options({ command }));
  await container.start();
  await container.wait();
}

const LIMITS = ['64m', '65m'];

/** Two shapes in turns, of each of which one waits then. On a busy machine more than a second may pass, and none does. */
async function inTurns(): Promise<number[]> {
  return until('two wait', async () => {
    for (const memory of [...LIMITS, ...LIMITS]) await Container.run(await options({ memory }));
    return waiting().length === 2 ? waiting() : null;
  });
}

/** The ids that this process's containers have groups by, in whatever hierarchy. */
async function groups(): Promise<Set<string>> {
  const { owner } = await containerShim();
  return new Set(cgroupFolders().flatMap((path) => path.match(`/${owner}/([0-9a-f]{32})$`)?.[1] ?? []));
}

beforeEach(forgetMadeAhead);

group('a container that is prewarmed', () => {
  it('is the third of a shape, whatever it runs', async () => {
    const pid = await twice();
    const copyIn = { '/long': 'x'.repeat(300_000) };
    const third = Container.run(await options({ command: ['sh', '-c', 'wc -c < /long; exit 3'], copyIn, hostname: 'third' }));
    expect(await third.pid).toBe(pid);
    expect(await third).toMatchObject({ status: 'nonzero-exit', exitCode: 3, stdout: '300000\n' });
  });

  it('is made while the second of a shape sets itself up', async () => {
    const second = await until('one is made beside it', async () => {
      // on a busy machine this one may live for long, and then none is made beside the next
      await Container.run(await options());
      const controller = new AbortController();
      const run = Container.run(await options({ command: ['sleep', '1000'], cancelSignal: controller.signal }));
      // the shim has done all that it was asked for before this
      await run.pid;
      if (waiting().length === 1) return { run, controller };
      controller.abort();
      await run;
      await forgetMadeAhead();
      return null;
    });
    const third = Container.run(await options({ command: ['echo', 'third'] }));
    expect(waiting()).toEqual([await third.pid]);
    expect(await third).toMatchObject({ status: 'ok', stdout: 'third\n' });
    second.controller.abort();
    await second.run;
  });

  it('begins when one has ended, not before, where the last one lived for longer', async () => {
    await created(['sleep', '0.2']);
    await using second = await Container.create(await options({ command: ['cat'], input: 'x' }));
    // the shim has heard all that was said before this
    await second.kill('SIGCONT');
    expect(waiting()).toEqual([second.pid]);
    await second.start();
    await second.wait();
    await until('one waits', () => waiting().length === 1);
    expect(waiting()).not.toContain(second.pid);
  });

  it('is there for each of two shapes in turns', async () => {
    const pids = await inTurns();
    for (const memory of LIMITS) expect(pids).toContain(await Container.run(await options({ memory })).pid);
  });

  it('fits whatever else its options say', async () => {
    const pids = await inTurns();
    // the newest shape is guessed first, which is the other one
    const run = Container.run(await options({ memory: '64m', command: ['echo', 'x'] }));
    expect(pids).toContain(await run.pid);
    expect(await run).toMatchObject({ stdout: 'x\n' });
  });

  it('goes without a trace, with the groups of the one after', async () => {
    await until('the groups of two', async () => {
      // those of the one after are made at the end of one that lived for a short time, as on a busy machine few do
      await Container.run(await options());
      return (await groups()).size === 2;
    });
    await forgetMadeAhead();
    expect(waiting()).toEqual([]);
    expect(await groups()).toEqual(new Set());
  });

  it('is not used for another shape, and does not stay', async () => {
    const pid = await twice({ tmpfs: { '/scratch': '' }, network: 'none' });
    await using other = await Container.create(await options({ memory: '64m' }));
    expect(other.pid).not.toBe(pid);
    await until('it is gone', () => !waiting().includes(pid));
  });

  it('is not made for what differs each time, nor in a group of the caller’s', async () => {
    for (const memory of ['64m', '65m', '66m']) await Container.run(await options({ memory }));
    expect(waiting()).toEqual([]);
    for (let i = 0; i < 3; i++) await Container.run(await options({ cgroupParent: `nacelle-test-${process.pid}-prewarm` }));
    expect(waiting()).toEqual([]);
  });

  it('that was killed meanwhile is replaced', async () => {
    const pid = await twice();
    process.kill(pid, 'SIGKILL');
    await until('it is gone', () => waiting().length === 0);
    expect(await Container.run(await options())).toMatchObject({ status: 'ok' });
  });

  it('undoes what a rest that fails had made', async () => {
    const more: RunOptions = { upper: 'disk', mounts: [{ type: 'tmpfs', target: '/t' }] };
    const pid = await twice(more);
    const failing = await options({ command: ['/nonexistent'], ...more });
    await expect(Container.run(failing)).rejects.toMatchObject({ code: 'ENOENT', message: expect.stringContaining('/nonexistent') });
    expect(waiting()).not.toContain(pid);
  });

  it('goes when the rest can not be sent', async () => {
    const pid = await twice();
    const copyIn = { '/long': new Uint8Array(65 * 1024 * 1024) };
    await expect(Container.run(await options({ copyIn }))).rejects.toMatchObject({ code: 'ERR_INVALID_OPTION' });
    expect(waiting()).not.toContain(pid);
  });

  it('counts to the step that fails in its rest', async () => {
    await twice();
    await expect(Container.run(await options({ user: 'nobody-there' }))).rejects.toThrow(/nobody-there/);
    await twice();
    await expect(Container.run(await options({ mounts: [{ type: 'tmpfs', target: '/etc/passwd/below' }] }))).rejects.toThrow(
      /passwd\/below/,
    );
  });

  it('can be many at once: one has it, the others are made as ever', async () => {
    await twice();
    const all = await Promise.all(Array.from({ length: 8 }, async (_, i) => Container.run(await options({ command: ['echo', `${i}`] }))));
    expect(all.map(({ stdout }) => stdout)).toEqual(Array.from({ length: 8 }, (_, i) => `${i}\n`));
  });

  mounting.it("sees a mount that the host has made since, and holds none of the host's", async () => {
    const seen = await runNode<{ before: string; waited: boolean; after: string; unmounted: boolean }>('prewarmed', [], {
      through: ['unshare', '-m', '--propagation', 'private'],
    });
    expect(seen).toEqual({ before: '', waited: true, after: 'new\n', unmounted: true });
  });
});

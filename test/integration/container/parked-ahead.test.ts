import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { beforeEach, expect, onTestFinished } from 'vitest';
import { Container, type ContainerOptions, type PoolRunOptions, type RunOptions, type RunResult } from '../../../lib/index.js';
import { entries, isAlive, pidOf, shimOf } from '../../fixtures/host.js';
import { busyboxRootfsCopy } from '../../fixtures/images.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { forgetMadeAhead } from '../../fixtures/made-ahead.js';
import { runNode } from '../../fixtures/node.js';
import { parked } from '../../fixtures/prewarmed.js';
import { requires } from '../../fixtures/requires.js';
import { comparable, LOOK, SHAPES } from '../../fixtures/run-shapes.js';
import { busybox } from '../../fixtures/sandbox.js';
import { until } from '../../fixtures/until.js';

useLeakCheck();
const { describe, it } = requires({ containers: true, tools: ['busybox'] });
const groups = requires({ containers: true, groups: true, tools: ['busybox'] });
const mounting = requires({ root: true, tools: ['busybox', 'unshare', 'mount', 'umount'] });
const asRoot = requires({ root: true, tools: ['busybox'] });
const limiting = requires({ root: true, tools: ['busybox', 'prlimit'] });

/**
 * How many descriptors a shim has free that can make no other container while one is parked. To make one it opens the folder of each group (the host steps before
 * its process), a socket to the process and the pidfd: more than these. The parked one holds as many, and gives them back when it gives way.
 */
const FREE = 4;

beforeEach(forgetMadeAhead);

async function options(more: ContainerOptions = {}): Promise<RunOptions> {
  return { ...(await busybox()), command: ['true'], ...more };
}

/** Runs two of a shape. @returns the process of the container that is parked then */
async function twice(given: RunOptions): Promise<number> {
  await runTwice(given);
  const [pid] = await untilParked(given, (pids) => pids.length === 1);
  return pidOf({ pid });
}

async function runTwice(given: RunOptions): Promise<void> {
  for (let i = 0; i < 2; i++) expect(await Container.run(given)).toMatchObject({ status: 'ok' });
}

/** On a busy machine a run may take too long for another container to be parked: then there are more runs of the shape. */
function untilParked(given: RunOptions, isEnough: (pids: ReturnType<typeof parked>) => boolean): Promise<ReturnType<typeof parked>> {
  let last = Date.now();
  return until('one waits', async () => {
    if (Date.now() - last > 2000) {
      await runTwice(given);
      last = Date.now();
    }
    const pids = parked();
    return isEnough(pids) ? pids : null;
  });
}

/** A folder of the test's own as an image. */
async function ownImage(): Promise<string> {
  const folder = await busyboxRootfsCopy();
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

const sh = (script: string): Pick<RunOptions, 'command'> => ({ command: ['sh', '-c', script] });

describe('a container that is parked ahead', () => {
  it('is the third of a shape, whatever it runs', async () => {
    const pid = await twice(await options());
    const own: PoolRunOptions = {
      env: { A: 'x' },
      input: 'given',
      copyIn: { '/long': 'x'.repeat(300_000) },
      timeout: 60_000,
      labels: { a: 'b' },
    };
    const third = Container.run({ ...(await options()), ...sh('cat; echo $A; wc -c < /long; exit 3'), ...own });
    expect(await third.pid).toBe(pid);
    expect(await third).toMatchObject({ status: 'nonzero-exit', exitCode: 3, stdout: 'givenx\n300000\n' });
  });

  it('is there again and again, and each is used once', async () => {
    await twice(await options());
    const seen = new Set<number>();
    for (let i = 0; i < 10; i++) {
      const waiting = await untilParked(await options(), (pids) => pids.length > 0);
      const run = Container.run({ ...(await options()), ...sh('cat /mine; echo x > /mine') });
      expect(waiting).toContain(await run.pid);
      expect(seen).not.toContain(await run.pid);
      seen.add(await run.pid);
      expect(await run).toMatchObject({ stdout: '', status: 'ok' });
    }
  });

  limiting.it('gives way to one that is asked for and lacks descriptors, which the next try has', async () => {
    const pid = await twice(await options());
    const shim = pidOf(shimOf());
    const setLimit = (soft: number): void => void execFileSync('prlimit', ['--pid', String(shim), `--nofile=${soft}:`]);
    const before = Number(
      execFileSync('prlimit', ['--pid', String(shim), '--nofile', '--output=SOFT', '--noheadings', '--raw']).toString(),
    );
    const other = await options({ hostname: 'other' });
    try {
      const open = new Set(entries(`/proc/${shim}/fd`).map(Number));
      const limit = Array.from({ length: open.size + FREE + 1 }, (_, fd) => fd).filter((fd) => !open.has(fd))[FREE];
      if (limit === undefined) throw new Error('no number is free');
      setLimit(limit);
      await expect(Container.run(other)).rejects.toMatchObject({ code: 'EMFILE' });
      expect([parked(), isAlive(pid)]).toEqual([[], false]);
      expect(await Container.run(other)).toMatchObject({ status: 'ok' });
    } finally {
      setLimit(before);
    }
  });

  const { 'the network of the host, and sysctls': _shared, ...shapes } = SHAPES;

  it.each(Object.entries(shapes))('has the result of one that was not: %s', (_, [shape, own]) => compares(shape, own));

  groups.it('has the result of one that was not: limits', () =>
    compares({ memory: '64m', pidsLimit: 20, cpus: 0.5, ulimits: { nofile: 100 }, onUnsupported: 'report' }, { cpuTimeLimit: 60_000 }),
  );

  asRoot.it('has the result of one that was not: the host as an image', () => compares({ image: 'host', tmpfs: { '/tmp': '' } }));

  async function compares(shape: ContainerOptions, own: PoolRunOptions = {}): Promise<void> {
    const given = { ...(await options(shape)), timeout: 60_000 };
    const pid = await twice({ ...given, ...(shape.tty ? { input: '' } : {}), ...(shape.user === 'judge' ? own : {}) });
    const run = { ...given, ...own, command: ['sh', '-c', LOOK] };
    const parked = Container.run(run);
    expect(await parked.pid).toBe(pid);
    const result = await parked;
    expect(result.stdout).not.toBe('');
    await forgetMadeAhead();
    expect(comparable(result)).toEqual(comparable(await Container.run(run)));
  }

  it('has the result of one that was not, whatever its run has of its own', async () => {
    // else it is of the container's id, and in files that are copied out
    const shape: ContainerOptions = { onUnsupported: 'report', hostname: 'same' };
    await fc.assert(
      fc.asyncProperty(
        fc.record(
          {
            env: fc.dictionary(fc.stringMatching(/^[A-Z]{1,3}$/), fc.stringMatching(/^[a-z ]{0,5}$/), { maxKeys: 3 }),
            input: fc.string({ maxLength: 20 }),
            tty: fc.boolean(),
            reject: fc.boolean(),
            buffer: fc.boolean(),
            stdin: fc.constant('ignore' as const),
            stderr: fc.constantFrom('ignore' as const, 'pipe' as const),
            // what writes more goes on for ever: else it may end before it is killed
            maxBuffer: fc.constant(100_000),
            copyIn: fc.dictionary(fc.constantFrom('/a', '/new/b', '/etc/c', '/dev/shm/d'), fc.string({ maxLength: 5 })),
            copyOut: fc.subarray(['/a', '/etc', '/missing']),
            cpuTimeLimit: fc.constant(60_000),
          },
          { requiredKeys: [] },
        ),
        fc.constantFrom('cat; env; echo e >&2; ls / /etc', 'exit 7', 'kill -9 $$', 'yes', 'nothing-there'),
        async (own, script) => {
          const run: RunOptions = { ...(await options(shape)), ...own, ...sh(script), timeout: 60_000 };
          await forgetMadeAhead();
          await twice(await options(shape));
          const parked = await outcome(run);
          await forgetMadeAhead();
          expect(parked).toEqual(await outcome(run));
        },
      ),
      { numRuns: 12 },
    );
  });

  it('is not there after runs that live for long', async () => {
    for (let i = 0; i < 3; i++)
      expect(await Container.run({ ...(await options()), command: ['sleep', '0.3'] })).toMatchObject({ status: 'ok' });
    expect(parked()).toEqual([]);
  });

  it('goes a while after the last run, and with it what the kernel had for it', async () => {
    const pid = await twice(await options());
    await until('it is gone', () => !isAlive(pid));
    expect(parked()).toEqual([]);
  });

  it('is none for another user, root, limit, hostname or mount', async () => {
    const pid = await twice(await options());
    const others: ContainerOptions[] = [
      { user: '1234' },
      { readOnly: true },
      { hostname: 'x' },
      { tmpfs: { '/t': '' } },
      { init: true },
      { umask: 0o77 },
    ];
    for (const other of others) expect(await Container.run(await options(other)).pid).not.toBe(pid);
    expect(await Container.run(await options()).pid).toBe(pid);
  });

  it('that was killed meanwhile is replaced', async () => {
    const pid = await twice(await options());
    process.kill(pid, 'SIGKILL');
    await until('it is gone', () => !isAlive(pid));
    expect(await Container.run(await options())).toMatchObject({ status: 'ok' });
    await until('another one waits', async () => {
      await Container.run(await options());
      return parked().length > 0;
    });
  });

  it('has the failure that one would have that was not', async () => {
    for (const failing of [
      { command: ['/nonexistent'] },
      { copyIn: { '/proc/x': 'x' } },
      { copyIn: { '/bin/busybox/x': 'x' } },
      { cwd: '/bin/busybox' },
    ]) {
      await forgetMadeAhead();
      const { cwd, ...own } = failing as RunOptions;
      await twice(await options());
      const given = { ...(await options()), ...own, ...(cwd === undefined ? {} : { cwd }) };
      const parked = await outcome(given);
      await forgetMadeAhead();
      expect(parked).toEqual(await outcome(given));
    }
  });

  it('is cancelled as any other, before and after it begins', async () => {
    await twice(await options());
    await expect(Container.run({ ...(await options()), cancelSignal: AbortSignal.abort() })).resolves.toMatchObject({
      status: 'canceled',
      isCanceled: true,
    });
    const controller = new AbortController();
    const run = Container.run({ ...(await options()), command: ['sleep', '1000'], cancelSignal: controller.signal });
    await run.pid;
    controller.abort();
    expect(await run).toMatchObject({ status: 'canceled' });
  });

  it('can be wanted by many at once: the others are made as ever', async () => {
    await twice(await options());
    const all = await Promise.all(
      Array.from({ length: 8 }, async (_, i) => Container.run({ ...(await options()), command: ['echo', `${i}`] })),
    );
    expect(all.map(({ stdout }) => stdout)).toEqual(Array.from({ length: 8 }, (_, i) => `${i}\n`));
  });
});

describe('a container that is parked ahead shows its image as it is', () => {
  /** What a run shows, with one parked and without. */
  async function shown(image: string, change: () => void, script: string): Promise<void> {
    const given: RunOptions = { image: `dir:${image}`, ...sh(script), tmpfs: { '/data/below': '' } };
    await twice(given);
    change();
    const seen = await outcome(given);
    await forgetMadeAhead();
    expect(seen).toEqual(await outcome(given));
  }

  it.each<[string, (image: string) => void]>([
    [
      'a folder is another',
      (image) => {
        renameSync(join(image, 'etc'), join(image, 'etc-before'));
        mkdirSync(join(image, 'etc'));
        writeFileSync(join(image, 'etc/new'), 'new');
      },
    ],
    [
      'files are there',
      (image) => {
        writeFileSync(join(image, 'etc/more'), 'more');
        writeFileSync(join(image, 'more'), 'more');
        mkdirSync(join(image, 'tmp/new'));
      },
    ],
    ['files are gone', (image) => rmSync(join(image, 'etc/some'))],
    [
      'a file is another',
      (image) => {
        writeFileSync(join(image, 'etc/other'), 'other');
        renameSync(join(image, 'etc/other'), join(image, 'etc/some'));
      },
    ],
    [
      'a folder to be mounted in has come to be',
      (image) => {
        mkdirSync(join(image, 'data'));
        writeFileSync(join(image, 'data/there'), 'there');
      },
    ],
    ['a folder has other rights', (image) => chmodSync(join(image, 'etc'), 0o700)],
    [
      'a folder is a link',
      (image) => {
        renameSync(join(image, 'etc'), join(image, 'real-etc'));
        symlinkSync('real-etc', join(image, 'etc'));
      },
    ],
    ['it is gone', (image) => rmSync(image, { recursive: true })],
    [
      'it is no folder',
      (image) => {
        rmSync(image, { recursive: true });
        writeFileSync(image, '');
      },
    ],
  ])('where %s', async (_, change) => {
    const image = await ownImage();
    writeFileSync(join(image, 'etc/some'), 'some');
    await shown(
      image,
      () => change(image),
      'stat -c "%A %u %n" /* /etc/* /tmp/* /data/* 2>&1; cat /etc/some /etc/new /more 2>&1; su -s /bin/ls nobody /etc 2>&1',
    );
  });

  it('where its path is of another folder', async () => {
    const [one, other] = [await ownImage(), await ownImage()];
    writeFileSync(join(one, 'one'), '');
    writeFileSync(join(other, 'other'), '');
    const before = process.cwd();
    onTestFinished(() => process.chdir(before));
    for (const folder of [one, other]) symlinkSync('.', join(folder, 'image'));
    const run = async (): Promise<RunResult> => Container.run({ image: 'dir:image', ...sh('ls /one /other 2>/dev/null') });
    process.chdir(one);
    for (let i = 0; i < 3; i++) expect(await run()).toMatchObject({ stdout: '/one\n' });
    process.chdir(other);
    for (let i = 0; i < 3; i++) expect(await run()).toMatchObject({ stdout: '/other\n' });
  });

  it('and the environment of this process as it is', async () => {
    onTestFinished(() => void delete process.env.PARKED_AHEAD);
    for (const value of ['1', '2', '3', '4']) {
      process.env.PARKED_AHEAD = value;
      expect(
        await Container.run({ ...(await options()), command: ['/bin/sh', '-c', 'echo $PARKED_AHEAD'], extendEnv: true }),
      ).toMatchObject({
        stdout: `${value}\n`,
      });
    }
  });

  mounting.it('what is mounted on it, and credentials of the host that come', async () => {
    const seen = await runNode<Record<string, unknown>>('parked-ahead', [], { through: ['unshare', '-m', '--propagation', 'private'] });
    expect(seen).toEqual({
      ...{ before: 'file\n', waited: true, mounted: 'on-top\n', unmounted: 'file\n' },
      ...{ hiddenBefore: 'plain\n', hidden: 'plain\n' },
    });
  });
});

describe('what is parked ahead', () => {
  it('is not lost where its image leads in a circle below its mounts', async () => {
    const image = await ownImage();
    mkdirSync(join(image, 'x'));
    symlinkSync('y', join(image, 'x/y'));
    const given: RunOptions = { image: `dir:${image}`, command: ['true'], tmpfs: { '/x': '', '/x/y/z': '' } };
    for (let i = 0; i < 6; i++) expect(await Container.run(given)).toMatchObject({ status: 'ok' });
    await forgetMadeAhead();
    await until('none is left', () => parked().length === 0);
  });
});

/** What comes of a run, but for what is of one moment. */
async function outcome(given: RunOptions): Promise<object> {
  try {
    return comparable(await Container.run(given));
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    const { name, message } = error;
    return { name, message: message.replace(/[0-9a-f]{12,32}/g, 'ID'), code: Reflect.get(error, 'code') };
  }
}

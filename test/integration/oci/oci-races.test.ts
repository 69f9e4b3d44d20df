import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, expect } from 'vitest';
import { reap } from '../../../lib/index.js';
import { foregroundRun } from '../../fixtures/foreground-run.js';
import { shimOf } from '../../fixtures/host.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { programFile } from '../../fixtures/node.js';
import { requires } from '../../fixtures/requires.js';
import { bundleGroups, makeBundle, useRuntimes } from '../../fixtures/runtime-bundle.js';
import { temporaryFolder } from '../../fixtures/temporary.js';

useLeakCheck();
const { describe, it } = requires({ root: true, tools: ['busybox', 'runc'] });
const folder = temporaryFolder();
const runtimes = useRuntimes(folder);
const { oci, states } = runtimes;

const kills = Number(process.env.NACELLE_KILLS ?? 5);

/** What there is of containers: their states, and groups below those of this process's bundles. */
function left(): string[] {
  const below = (path: string): string[] =>
    (existsSync(path) ? readdirSync(path, { withFileTypes: true }) : []).flatMap((entry) =>
      entry.isDirectory() ? [join(path, entry.name)] : [],
    );
  return [...below(states), ...bundleGroups().flatMap(below)];
}

function creating(bundle: string, id: string): ChildProcess {
  return spawn(process.execPath, [programFile('nacelle-oci'), '--root', states, 'create', '--bundle', bundle, id], { stdio: 'ignore' });
}

/** Deletes the container of a run, and makes another one of its id. */
async function replace(bundle: string): Promise<void> {
  expect(await oci('delete', '--force', 'one')).toMatchObject({ code: 0, stderr: '' });
  expect(await oci('create', '--bundle', bundle, 'one')).toMatchObject({ code: 0, stderr: '' });
}

describe('a run in the foreground leaves another container of its id alone that was made since somebody deleted its own', () => {
  afterEach(async () => {
    expect(await oci('state', 'one')).toMatchObject({ code: 0, stdout: expect.stringContaining('"created"') });
    expect(await oci('delete', '--force', 'one')).toMatchObject({ code: 0, stderr: '' });
  });

  it.each(['lives', 'was killed'])('where its shim %s', async (what) => {
    const bundle = makeBundle(folder, ['busybox', 'sleep', '1000']);
    const { child, ended } = await foregroundRun(runtimes, bundle);
    const shim = shimOf(child.pid);
    child.kill('SIGSTOP');
    try {
      if (what === 'was killed' && shim !== null) process.kill(shim.pid, 'SIGKILL');
      await replace(bundle);
    } finally {
      child.kill('SIGCONT');
    }
    expect(await ended).toEqual([what === 'lives' ? 137 : 1, null]);
    // what the killed shim noted of itself
    await reap();
  });

  it('where its hook after the start fails', async () => {
    const go = join(folder, 'go');
    const bundle = makeBundle(folder, ['busybox', 'sleep', '1000'], (config) => {
      config.hooks = { poststart: [{ path: '/bin/sh', args: ['sh', '-c', `until [ -e ${go} ]; do sleep 0.01; done; exit 1`] }] };
    });
    const { ended } = await foregroundRun(runtimes, bundle);
    await replace(makeBundle(folder, ['busybox', 'sleep', '1000']));
    writeFileSync(go, '');
    expect(await ended).toEqual([1, null]);
  });
});

describe('a create that was killed', () => {
  it(`leaves nothing that delete --force does not remove, at ${kills} moments`, async () => {
    const bundle = makeBundle(folder, ['busybox', 'sleep', '1000']);
    const begun = performance.now();
    await once(creating(bundle, 'whole'), 'exit');
    const whole = performance.now() - begun;
    expect(left().length).toBeGreaterThan(1);
    expect(await oci('delete', '--force', 'whole')).toMatchObject({ code: 0, stderr: '' });
    for (let round = 0; round < kills; ++round) {
      const child = creating(bundle, 'one');
      const ended = once(child, 'exit');
      await Promise.race([pause(whole * Math.random()), ended]);
      // where its shim dies too, nobody undoes what was begun
      const shim = round % 2 === 0 ? null : shimOf(child.pid);
      if (shim !== null) process.kill(shim.pid, 'SIGKILL');
      child.kill('SIGKILL');
      await ended;
      expect(await oci('delete', '--force', 'one'), `round ${round}`).toMatchObject({ code: 0, stderr: '' });
      expect(left(), `round ${round}`).toEqual([]);
    }
    // what the killed shims noted of themselves
    await reap();
  });

  it('leaves groups that were noted, which delete --force finds without a record', async () => {
    const bundle = makeBundle(folder, ['busybox', 'sleep', '1000']);
    expect(await oci('create', '--bundle', bundle, 'one')).toMatchObject({ code: 0 });
    const groups = left();
    for (const damage of ['{', JSON.stringify({ format: 2 })]) {
      writeFileSync(join(states, 'one/state.json'), damage);
      expect(await oci('delete', 'one')).toMatchObject({ code: 1, stderr: expect.stringContaining('state.json') });
    }
    expect(left()).toEqual(groups);
    expect(await oci('delete', '--force', 'one')).toMatchObject({ code: 0, stderr: expect.stringContaining('state.json') });
    expect(left()).toEqual([]);
    // a folder with nothing in it is what is left of one that was killed at once
    mkdirSync(join(states, 'two'));
    expect(await oci('delete', 'two')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('container does not exist: whoever made it'),
    });
    expect(await oci('delete', '--force', 'two')).toEqual({ code: 0, stdout: '', stderr: '' });
    expect(left()).toEqual([]);
  });
});

describe('commands at the same time', () => {
  it('start and delete: one after the other', async () => {
    const bundle = makeBundle(folder, ['busybox', 'sleep', '1000']);
    for (let round = 0; round < 3; ++round) {
      expect(await oci('create', '--bundle', bundle, 'one')).toMatchObject({ code: 0 });
      const [started, removed] = await Promise.all([oci('start', 'one'), oci('delete', 'one')]);
      if (started.code === 0) expect(removed).toMatchObject({ code: 1, stderr: expect.stringContaining('not stopped: running') });
      else
        expect([started, removed]).toMatchObject([
          { code: 1, stderr: 'container does not exist\n' },
          { code: 0, stderr: '' },
        ]);
      expect(await oci('delete', '--force', 'one')).toMatchObject({ code: 0, stderr: '' });
      expect(left()).toEqual([]);
    }
  });

  it('of two that make, start or remove a container, one does', async () => {
    const log = join(folder, 'poststop');
    writeFileSync(log, '');
    // each has a group of its own, so that the id alone is in the way
    const [bundle, other] = [0, 1].map(() =>
      makeBundle(folder, ['busybox', 'sleep', '1000'], (config) => {
        config.hooks = { poststop: [{ path: '/bin/sh', args: ['sh', '-c', `echo once >> ${log}`] }] };
      }),
    );
    const twice = async (...commands: (readonly string[])[]) =>
      (await Promise.all(commands.map((args) => oci(...args)))).map(({ code }) => code).sort();
    expect(await twice(['create', '--bundle', bundle ?? '', 'one'], ['create', '--bundle', other ?? '', 'one'])).toEqual([0, 1]);
    expect(await twice(['start', 'one'], ['start', 'one'])).toEqual([0, 1]);
    await oci('kill', 'one', 'KILL');
    expect(await twice(['delete', '--force', 'one'], ['delete', '--force', 'one'])).toEqual([0, 0]);
    expect(readFileSync(log, 'utf8')).toBe('once\n');
    expect(left()).toEqual([]);
  });
});

import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect } from 'vitest';
import { Image, reap, Volume } from '../../lib/index.js';
import { removeEmptied } from '../fixtures/emptied-group.js';
import { groupOf, isAlive, limitFor } from '../fixtures/host.js';
import { useLeakCheck } from '../fixtures/leaks.js';
import { requires } from '../fixtures/requires.js';
import { rounds } from '../fixtures/rounds.js';
import { temporaryFolder } from '../fixtures/temporary.js';
import { until } from '../fixtures/until.js';
import { type Failure, Victim } from './victim.js';

useLeakCheck();
const { describe, it } = requires({ root: true, tools: ['busybox', 'tar', 'id', 'prlimit', 'unshare', 'nsenter', 'mount', 'gcc'] });
const folder = temporaryFolder();
/** All counts, or some of them. */
const LONG = { timeout: 3_600_000 };

afterEach(() => {
  delete process.env.NACELLE_ROOT;
});

/** @returns whether there was a failure: where there was none at all, nothing was tried */
function expectTyped(failures: readonly Failure[], told: string): boolean {
  expect(
    failures.filter(({ typed }) => !typed),
    told,
  ).toEqual([]);
  return failures.length > 0;
}

/** From few to many, with such steps. */
function* counts(from: number, to: number, step: number): Generator<number> {
  for (let count = from; count <= to; count += step) yield count;
}

async function ended(victim: Victim): Promise<void> {
  const { shim } = victim;
  await victim.end();
  await until('its shim has ended', () => !isAlive(shim));
  await Image.prune();
  await Volume.prune();
  await reap();
}

describe('descriptors', () => {
  const scenarios = ['run', 'rich', 'life', 'detached', 'image', 'volume', 'overlay', 'veth', 'namespace', 'group'];
  const limit = (pid: number, soft: number): void => void execFileSync('prlimit', ['--pid', String(pid), `--nofile=${soft}:`]);

  it.each(['node', 'shim'] as const)(
    'of %s: at every count that is left, a typed error or none, and the next one works',
    LONG,
    async (who) => {
      let hits = 0;
      for (const scenario of scenarios) {
        process.env.NACELLE_ROOT = join(folder, `${who}-${scenario}`);
        const victim = await Victim.start();
        for (let i = 0; i < 2; i++) expect(await victim.do(scenario)).toEqual([]);
        await victim.settle();
        const held = victim.held();
        const pid = who === 'node' ? victim.pid : victim.shim;
        for (const left of counts(0, 40, rounds(20, 1))) {
          const told = `${scenario} with ${left} left`;
          limit(pid, limitFor(pid, left));
          if (expectTyped(await victim.do(scenario), told)) hits++;
          limit(pid, 4096);
          expect(await victim.do(scenario), `after ${told}`).toEqual([]);
          await victim.settle();
          const now = await until(`nothing is held: ${told}`, () => {
            const more = victim.held().filter((thing) => !held.includes(thing));
            return more.length === 0 ? 'nothing' : null;
          }).catch(() => victim.held().filter((thing) => !held.includes(thing)));
          expect(now, told).toBe('nothing');
        }
        await ended(victim);
      }
      expect(hits).toBeGreaterThan(scenarios.length / 2);
    },
  );
});

describe('a disk that is full', () => {
  it.each(['the store', 'the runtime folder'])('%s: at every size, a typed error or none, and the next one works', LONG, async (which) => {
    const [store, runtime] = [join(folder, `disk-${which.length}`), join(folder, `run-${which.length}`)];
    for (const path of [store, runtime]) mkdirSync(path);
    const full = which === 'the store' ? store : runtime;
    const through = ['unshare', '-m', 'sh', '-ec', 'for f in "$0" "$1"; do mount -t tmpfs -o size=64m none "$f"; done; shift; exec "$@"'];
    const env = { NACELLE_ROOT: store, NACELLE_RUNROOT: runtime };
    const victim = await Victim.start([...through, store, runtime], env);
    const resize = (kib: number): void =>
      void execFileSync('nsenter', ['-t', String(victim.pid), '-m', 'mount', '-o', `remount,size=${kib}k`, full]);
    let hits = 0;
    for (const scenario of ['rich', 'detached', 'image', 'volume', 'userns']) {
      for (let i = 0; i < 2; i++) expect(await victim.do(scenario)).toEqual([]);
      await victim.settle();
      const used = Number(
        execFileSync('nsenter', ['-t', String(victim.pid), '-m', 'sh', '-c', 'df -k --output=used "$0" | tail -1', full], {
          encoding: 'utf8',
        }),
      );
      for (const more of counts(0, 80, rounds(40, 4))) {
        const told = `${scenario} with ${more} KiB left of ${which}`;
        resize(used + Math.max(more, 4));
        if (expectTyped(await victim.do(scenario), told)) hits++;
        resize(65_536);
        expect(await victim.do(scenario), `after ${told}`).toEqual([]);
        await victim.settle();
      }
    }
    expect(hits).toBeGreaterThan(0);
    const { shim } = victim;
    await victim.end();
    await until('its shim has ended', () => !isAlive(shim));
  });
});

const memory = groupOf('memory');

describe('memory of the shim', () => {
  it('that runs out: its calls fail typed, or it dies and that is said; the next one works', LONG, async () => {
    if (memory?.version !== 1) return;
    const group = join(memory.path, `nacelle-test-${process.pid}-shim`);
    for (const kib of counts(0, 600, rounds(300, 20))) {
      const victim = await Victim.start();
      expect(await victim.do('run')).toEqual([]);
      const { shim } = victim;
      mkdirSync(group);
      try {
        // what it has is not counted here, only what it takes from now on
        writeFileSync(join(group, 'memory.limit_in_bytes'), `${kib}k`);
        writeFileSync(join(group, 'cgroup.procs'), String(shim));
        expectTyped(await victim.do('rich'), `${kib} KiB`);
        if (isAlive(shim)) writeFileSync(join(memory.path, 'cgroup.procs'), String(shim));
        expect(await victim.do('rich'), `after ${kib} KiB`).toEqual([]);
        await ended(victim);
      } finally {
        await removeEmptied(group);
      }
    }
  });
});

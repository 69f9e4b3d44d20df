import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Cgroup, Container, type Limits } from 'nacelle';
import { hugePageSizes } from '../../lib/cgroup/files/group-files.js';
import { statsFiles } from '../../lib/cgroup/stats/group-stats.js';
import { cgroupMounts, folderOf } from '../../test/fixtures/host.js';
import { type Case, type Context, effort, NotHere } from '../case.js';
import { interleave, type Subject, subject, summarise } from '../measure.js';
import { compiled } from '../peers/compiled.js';
import { containerOptions, madeForRun } from '../peers/nacelle.js';
import type { Line, Row } from '../table.js';
import { pair } from './pair.js';

const LIMITS = { memory: '256m', pidsLimit: 64 } as const;

/** A process of ours to be moved about. */
async function withSleeper<T>(use: (sleeper: ChildProcess & { pid: number }) => Promise<T>): Promise<T> {
  const sleeper = spawn('sleep', ['infinity'], { stdio: 'ignore' });
  const { pid } = sleeper;
  if (pid === undefined) throw new NotHere('sleep does not start');
  const ended = once(sleeper, 'exit');
  try {
    return await use(Object.assign(sleeper, { pid }));
  } finally {
    sleeper.kill('SIGKILL');
    await ended;
  }
}

/** Where this process is in the hierarchy of a controller, or 'unified'. */
function homeOf(controller: string): string {
  const unified = cgroupMounts().find(({ version }) => version === 2)?.path ?? '';
  const own = /^0::(.*)$/m.exec(readFileSync('/proc/self/cgroup', 'utf8'))?.[1] ?? '';
  const home = controller === 'unified' ? join(unified, own) : folderOf(process.pid, controller);
  if (home === null) throw new NotHere(`this process is in no group of ${controller}`);
  return home;
}

/** Where a group is, for bench/groups.c to make its own there. */
function placeOf({ paths }: Cgroup): { homes: Map<string, string>; args: string[] } {
  const { memory, pids } = paths;
  if (memory === undefined || pids === undefined) throw new NotHere('a controller of memory or of processes is missing');
  const homes = new Map(Object.entries(paths).map(([controller, path]) => [dirname(path), homeOf(controller)]));
  const files = statsFiles(Object.keys(paths), hugePageSizes());
  return {
    homes,
    args: [
      ...[dirname(memory), memory === paths.unified ? 'memory.max' : 'memory.limit_in_bytes', dirname(pids)],
      ...[...homes].flat(),
      '--',
      ...files.flatMap(({ controller, file }) => [dirname(paths[controller] ?? ''), file]),
    ],
  };
}

/** Make, two limits, move one process, read, move it back, remove: against the same in C. */
export const groupLife: Case = {
  name: 'cgroup',
  measure: (context) =>
    withSleeper(async ({ pid }) => {
      const name = `nacelle-bench-${process.pid}`;
      // stays, and with it the folders above it
      await using like = await Cgroup.create(`${name}-like`, LIMITS);
      const { homes, args } = placeOf(like);
      const ours = subject('Cgroup', async () => {
        const group = await Cgroup.create(name, LIMITS);
        await group.add(pid);
        await group.stats();
        for (const home of homes.values()) writeFileSync(join(home, 'cgroup.procs'), String(pid));
        await group.remove();
      });
      const bare = compiled('groups', (count) => [count, ...args]);
      const length = effort(context, { rounds: 20, batch: 10, warm: 200 }, { rounds: 6, batch: 5, warm: 50 });
      return await pair(
        { what: 'Cgroup: make, limit, move, read, remove', compare: 'ratio', target: { bound: 'at most', value: 1.5 } },
        [ours, bare],
        length,
      );
    }),
};

/** All files of a group's statistics. */
export const stats: Case = {
  name: 'stats',
  async measure(context) {
    await using group = await Cgroup.create(`nacelle-bench-${process.pid}`, LIMITS);
    const reading = subject('stats()', () => group.stats());
    const [measured] = await interleave([reading], effort(context, { rounds: 10, batch: 100 }, { rounds: 3, batch: 50 }));
    if (!measured) throw new Error('nothing was measured');
    return [{ what: 'Cgroup.stats()', unit: 'ms', measured, target: { bound: 'at most', value: 0.3 } }];
  },
};

/** A limit in every hierarchy that there is, against a container without any. */
export const limits: Case = {
  name: 'limits',
  async measure(context) {
    const all: Limits = { memory: '256m', pidsLimit: 64, cpus: 1, cpusetCpus: '0', cpuShares: 512 };
    const with_ = await enforceable(context, all);
    const run = (name: string, given: Limits): Subject =>
      subject(name, () => {
        const { image, command, volumes } = madeForRun(context.rootfs);
        return Container.run({ image, command, volumes, ...given });
      });
    // a machine of pure v2 is the virtual one here, whose emulation makes everything slower: there the ratio is what tells
    const v2 = (await Cgroup.mode()) === 'v2';
    return pair(
      {
        what: `Container.run, with ${Object.keys(with_).join(', ')}`,
        compare: v2 ? 'ratio' : 'difference',
        target: { bound: 'at most', value: v2 ? 1.25 : 0.6 },
      },
      [run('limits', with_), run('without limits', {})],
      effort(context, { rounds: 30, batch: 10, warm: 500 }, { rounds: 10, batch: 5, warm: 200 }),
    );
  },
};

/** Those that this machine keeps. */
async function enforceable({ rootfs }: Context, all: Limits): Promise<Limits> {
  const { notEnforced } = await Container.run({ ...containerOptions(rootfs), ...all, onUnsupported: 'report' });
  const missing = new Set(notEnforced.map(({ feature }) => feature));
  return Object.fromEntries(Object.entries(all).filter(([name]) => !missing.has(name)));
}

/** Whether a group costs more where a thousand are. */
export const crowd: Case = {
  name: 'crowd',
  async measure(context): Promise<Line[]> {
    const most = context.quick ? 400 : 1000;
    const groups: Cgroup[] = [];
    const times: number[] = [];
    try {
      for (let i = 0; i < most; i++) {
        const started = performance.now();
        groups.push(await Cgroup.create(`nacelle-bench-${process.pid}/${i}`, LIMITS));
        // one more, made and removed while these live
        await (await Cgroup.create(`nacelle-bench-${process.pid}/one`, LIMITS)).remove();
        times.push(performance.now() - started);
      }
    } finally {
      for (const group of groups.reverse()) await group.remove();
      await (await Cgroup.open(`nacelle-bench-${process.pid}`).catch(() => null))?.remove();
    }
    const row: Row = {
      what: `Cgroup: two made, one removed, where ${most - 100} to ${most} live`,
      unit: 'ms',
      measured: summarise(times.slice(-100)),
      against: { name: 'the first hundred', measured: summarise(times.slice(0, 100)) },
      compare: 'ratio',
      target: { bound: 'at most', value: 1.5 },
    };
    return [row];
  },
};

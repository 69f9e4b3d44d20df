import { UnsupportedError } from '../errors.js';
import type { GroupLayout } from '../host/cgroup-base.js';
import { O_PATH } from '../plan/constants.js';
import { type CpuClock, NONE, type Plan, type Slots } from '../plan/plan.js';
import type { Slot, Step } from '../plan/steps.js';
import type { ParsedProcess } from '../process/options/process-options.js';
import type { Usage } from '../process/options/process-types.js';
import { programSteps } from '../process/program-steps.js';
import type { Streams } from '../process/streams/child-end.js';
import { planHostStreams } from '../process/streams/stream-steps.js';
import { keyedNumber } from './files/interface-file-formats.js';
import { basesBeside, homeOf, joinAbove, joinStep } from './group-plan.js';
import { cpuTimes } from './stats/usage.js';

/** A program's own folder, below its group. */
const RUN = 'nacelle-run-';

export interface CgroupRunRequest {
  readonly id: string;
  readonly slots: Slots;
  readonly layout: GroupLayout;
  /** The group's name. */
  readonly name: string;
  /** The group's folders, by controller and 'unified'. */
  readonly paths: Readonly<Record<string, string>>;
  readonly command: readonly string[];
  readonly options: ParsedProcess;
  /** 'NAME=value' */
  readonly env: readonly string[];
  readonly streams: Streams;
}

/** Whether a folder below a group is that of a program which runs in it. */
export function isRunGroup(name: string): boolean {
  return name.startsWith(RUN);
}

/**
 * Plans a program in an existing group. On one tree, the unified one where there is one, the program gets a folder of its own below the
 * group: so that its tree can be killed, and its time be counted, apart from the others of the group. Pure.
 *
 * @throws UnsupportedError for a limit of CPU time without a unified tree
 */
export function planCgroupRun(request: CgroupRunRequest): Plan {
  const { slots, layout, name, paths, options } = request;
  const home = homeOf(paths);
  if (home === undefined) throw new UnsupportedError('Cgroup.run', 'the group is in no hierarchy');
  const groups = [...new Set([home, ...Object.values(paths)])].map((path) => ({ slot: slots.take(), path }));
  const streams = planHostStreams(request.streams.ends, slots);
  const parent = groups[0]?.slot ?? NONE;
  const own = slots.take();
  const isUnified = home === paths.unified;
  const joins = [...(isUnified ? [] : [own]), ...groups.slice(1).map(({ slot }) => slot)];
  return {
    prepare: [
      ...groups.map(({ slot, path }): Step => ({ op: 'open', host: true, out: slot, at: NONE, path, flags: O_PATH, mode: 0 })),
      { op: 'make_group', host: true, out: own, at: parent, path: `${RUN}${request.id}` },
    ],
    stages: [
      {
        flags: 0,
        ...(isUnified ? { group: own } : {}),
        steps: [
          ...joins.map((group) => joinStep(group)),
          ...joinAbove(basesBeside(layout, name, paths), name),
          ...streams.open,
          ...programSteps({ ...request, streams, user: options.user, givePipes: true }),
        ],
      },
    ],
    undo: [{ op: 'remove_group', host: true, at: NONE, path: `${home}/${RUN}${request.id}` }],
    reports: isUnified ? [{ at: own, path: 'cpu.stat' }] : [],
    returns: [],
    killGroup: { at: own, path: '.' },
    ...(options.timeout === null ? {} : { timeoutMs: options.timeout }),
    ...(options.cpuTimeLimit === null ? {} : { cpuClock: cpuClock(options.cpuTimeLimit, isUnified ? own : null) }),
    ending: { signal: options.killSignal, forceKillAfterMs: options.forceKillAfterDelay },
  };
}

function cpuClock(limitMs: number, at: Slot | null): CpuClock {
  if (at !== null) return { limitMs, at, path: 'cpu.stat', key: 'usage_usec', unit: 1000 };
  throw new UnsupportedError(
    'cpuTimeLimit',
    'there is no unified cgroup tree, which would count the time of this program alone',
    'Mount cgroup2.',
  );
}

/** What the program's own folder counted. Memory is counted for the group alone, so the program's share is not known. */
export function runUsage([cpu]: readonly (Uint8Array | null)[]): Partial<Usage> {
  const text = cpu ? Buffer.from(cpu).toString() : '';
  const { cpuTimeMs, userMs, systemMs } = cpuTimes(null, { user: 0, system: 0 }, (key) => keyedNumber(text, key));
  const usage: Partial<Usage> = {};
  if (cpuTimeMs !== null) usage.cpuTimeMs = cpuTimeMs;
  if (userMs !== null) usage.userMs = userMs;
  if (systemMs !== null) usage.systemMs = systemMs;
  return usage;
}

import type { ReadFile } from '../files/interface-file-formats.js';
import { parseKeyed } from '../files/interface-file-formats.js';

/** Something that happened in a group. */
export interface CgroupEvent {
  /**
   * 'populated' and 'empty': the first process of the group or below it has come, the last one has ended. 'oom': memory ran
   * out. 'oom-kill': the kernel killed a process for it. 'pids-max': a fork was refused. 'memory-high' and 'memory-max':
   * more memory was asked for than that limit gives, and some was reclaimed.
   */
  type: 'oom' | 'oom-kill' | 'populated' | 'empty' | 'pids-max' | 'memory-high' | 'memory-max';
  /** The kernel's counter: how often, since the group was made. Where it has none (see docs/cgroups.md), since the iteration began. */
  count: number;
  at: Date;
}

type Counter = Exclude<CgroupEvent['type'], 'populated' | 'empty'>;

/** What a group's files say of events at one moment; `null` where the kernel doesn't tell. */
export interface EventCounts extends Readonly<Record<Counter, number | null>> {
  readonly populated: boolean | null;
}

/** The order of events: causes come before their effects. */
const order = ['pids-max', 'memory-high', 'memory-max', 'oom', 'oom-kill'] as const satisfies readonly Counter[];

/** What v1 tells only by eventfd, and in no file: how often memory ran out, and how often its use came to the limit. */
export interface V1Memory {
  readonly ooms: number;
  readonly atLimit: number;
}

export function readEventCounts(read: ReadFile, v1: V1Memory): EventCounts {
  const control = read('memory', 'memory.oom_control');
  const memory = parseKeyed(control ?? read('memory', 'memory.events') ?? '');
  const populated = parseKeyed(read('unified', 'cgroup.events') ?? '').get('populated');
  return {
    populated: populated === undefined ? null : populated === 1,
    oom: control === null ? (memory.get('oom') ?? null) : v1.ooms,
    'oom-kill': memory.get('oom_kill') ?? null,
    'memory-high': memory.get('high') ?? null,
    'memory-max': control === null ? (memory.get('max') ?? null) : v1.atLimit,
    'pids-max': parseKeyed(read('pids', 'pids.events') ?? '').get('max') ?? null,
  };
}

/** What happened between two moments: of each counter one event, whatever it rose by. */
export function eventsBetween(before: EventCounts, after: EventCounts): Pick<CgroupEvent, 'type' | 'count'>[] {
  const risen = order.flatMap((type) => {
    const count = after[type];
    return count !== null && count > (before[type] ?? 0) ? [{ type, count }] : [];
  });
  if (after.populated === null || after.populated === before.populated) return risen;
  return after.populated ? [{ type: 'populated', count: 1 }, ...risen] : [...risen, { type: 'empty', count: 1 }];
}

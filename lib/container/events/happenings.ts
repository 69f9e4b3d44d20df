import type { RunEnd, TaskEnd } from '../../native/task.js';
import { signalName } from '../../process/options/signals.js';
import { judge } from '../../process/result.js';
import type { ContainerEvent, ContainerHappening } from '../options/event-types.js';
import { lethalLimits } from '../result/group-evidence.js';
import type { ContainerRecord } from '../start/container-record.js';
import { evidenceOf } from '../start/launch.js';

/** What an end is judged by, beside its evidence. */
export type Judged = Pick<ContainerRecord, 'limits' | 'filterKills' | 'processOne'> & {
  readonly group: Pick<ContainerRecord['group'], 'usage'>;
};

const UNKNOWN = { exitCode: null, signal: null, signalNumber: null } as const;

export function eventOf(
  { id, name, labels }: Pick<ContainerRecord, 'id' | 'name' | 'labels'>,
  happening: ContainerHappening,
  { at, lost = 0 }: { readonly at: number; readonly lost?: number },
): ContainerEvent {
  return { ...happening, id, name, labels, time: new Date(at), lost };
}

export function killOf(signal: number): ContainerHappening {
  return { type: 'kill', signal: signalName(signal), signalNumber: signal };
}

/** The end of a container's program, by the evidence of its shim; `null` where there is none. */
export function endOf(record: Judged, end: RunEnd | null): ContainerHappening[] {
  if (end === null) return [{ type: 'die', ...UNKNOWN }];
  const { limits, filterKills, processOne } = record;
  const { usage: _, ...evidence } = evidenceOf(record, end);
  const { oomKilled } = judge({
    ...evidence,
    end,
    processOne,
    cpuMs: end.usage.userMs + end.usage.systemMs,
    overflow: null,
    timeoutMs: null,
    cpuTimeLimitMs: null,
    limits: lethalLimits(limits, filterKills),
  });
  const die = { type: 'die', ...exitOf(end) } as const;
  return oomKilled ? [{ type: 'oom' }, die] : [die];
}

export function execDie(execId: string, end: Pick<TaskEnd, 'exit'> | null): ContainerHappening {
  return { type: 'exec_die', execId, ...(end === null ? UNKNOWN : exitOf(end)) };
}

function exitOf({ exit: { kind, value } }: Pick<TaskEnd, 'exit'>): Pick<ContainerHappening & { type: 'die' }, keyof typeof UNKNOWN> {
  if (kind === 'exited') return { ...UNKNOWN, exitCode: value };
  return { ...UNKNOWN, signal: signalName(value), signalNumber: value };
}

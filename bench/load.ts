import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';

/** How busy the machine is before anything is measured. */
export interface Load {
  /** Runnable tasks, mean of the last minute. */
  readonly average: number;
  /** Share of all processors that was busy while we slept, 0 to 1. */
  readonly busy: number;
  readonly processors: number;
  /** Why the numbers can't be trusted, or `null`. */
  readonly warning: string | null;
}

/** Ticks of all processors since boot, from the first line of /proc/stat. */
function ticks(): { total: number; idle: number } {
  const [, ...fields] = (readFileSync('/proc/stat', 'utf8').split('\n')[0] ?? '').trim().split(/\s+/);
  // user nice system idle iowait irq softirq steal; guest time is counted in user already
  const values = fields.slice(0, 8).map(Number);
  return { total: values.reduce((sum, value) => sum + value, 0), idle: (values[3] ?? 0) + (values[4] ?? 0) };
}

/** Looks for a second at what the machine does while we do nothing. */
export async function sampleLoad(): Promise<Load> {
  const before = ticks();
  await sleep(1000);
  const after = ticks();
  const total = after.total - before.total;
  const busy = total > 0 ? 1 - (after.idle - before.idle) / total : 0;
  const average = Number(readFileSync('/proc/loadavg', 'utf8').split(' ')[0]);
  const processors = availableParallelism();
  return { average, busy, processors, warning: warningOf(busy, average, processors) };
}

function warningOf(busy: number, average: number, processors: number): string | null {
  if (busy > 0.1) return `the machine is busy: ${Math.round(busy * 100)} % of its processors' time goes to something else`;
  if (average > processors / 2) return `the machine was busy in the last minute: load average ${average} on ${processors} processors`;
  return null;
}

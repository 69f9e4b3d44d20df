import { join } from 'node:path';
import type { GroupLayout } from '../host/cgroup-base.js';
import type { ParsedLimits } from '../options/limits.js';
import { groupsIn, readGroupFile } from './files/group-files.js';
import { foldersAbove, pathOf } from './group-plan.js';

/** A file of a group above, and what has to be in it. */
export interface RealTimeShare {
  readonly path: string;
  readonly value: string;
}

const RUNTIME = 'cpu.rt_runtime_us';
/** µs; the kernel's default. */
const DEFAULT_PERIOD = 1_000_000;

/**
 * v1 gives a group real-time run time only of what its parent has, and a new group has none: so our groups above it get as much as their
 * children have together. The outermost comes first, as the kernel wants it.
 */
export function realTimeAbove({ controllers, bases }: GroupLayout, name: string, limits: ParsedLimits): RealTimeShare[] {
  const cpu = controllers.get('cpu');
  const base = cpu?.version === 1 ? bases.get(cpu.mountPoint)?.path : null;
  if (base == null || !limits.cpuRtRuntime) return [];
  let share = limits.cpuRtRuntime / (limits.cpuRtPeriod ?? DEFAULT_PERIOD);
  let inner = pathOf(base, name);
  const needs: RealTimeShare[] = [];
  for (const folder of [...foldersAbove(inner, name), pathOf(base, name).slice(0, -name.length - 1)]) {
    for (const sibling of groupsIn(folder)) if (join(folder, sibling) !== inner) share += shareOf(join(folder, sibling));
    const has = shareOf(folder);
    if (has < share) needs.push({ path: join(folder, RUNTIME), value: String(Math.ceil(share * periodOf(folder))) });
    share = Math.max(share, has);
    inner = folder;
  }
  return needs.reverse();
}

function shareOf(folder: string): number {
  return Number(readGroupFile(join(folder, RUNTIME)) ?? 0) / periodOf(folder);
}

function periodOf(folder: string): number {
  return Number(readGroupFile(join(folder, 'cpu.rt_period_us')) ?? DEFAULT_PERIOD);
}

import type { GroupPlan } from '../../cgroup/group-plan.js';
import type { Plan } from '../../plan/plan.js';

/** What the groups say of memory that is still charged when no process is left. */
const LEFT = new Set(['memory.usage_in_bytes', 'memory.current']);

/** A root with so much in memory is undone as fast as the end is told. */
const MOST_BYTES = 16 * 1024 ** 2;

/**
 * Has the mounts of a run undone when its result is there already: the kernel waits twice for a grace period of RCU, and frees what was written. That
 * can't be where nobody tells how much that is. Pure.
 */
export function planLaterMounts({ usage }: Pick<GroupPlan, 'usage'>): Pick<Plan, 'laterMounts'> {
  const report = usage.findIndex(({ controller, path }) => controller === 'memory' && LEFT.has(path));
  return report === -1 ? {} : { laterMounts: { report, mostBytes: MOST_BYTES } };
}

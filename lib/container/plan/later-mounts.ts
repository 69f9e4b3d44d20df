import type { GroupPlan } from '../../cgroup/group-plan.js';
import type { Plan } from '../../plan/plan.js';

/** What the groups say of memory that is still charged when no process is left. */
const LEFT = new Set(['memory.usage_in_bytes', 'memory.current']);

/** What they say of swap, on v1 with memory. A kernel may count none. */
const SWAPPED = new Set(['memory.memsw.usage_in_bytes', 'memory.swap.current']);

/** A root with so much in memory is undone as fast as the end is told. */
const MOST_BYTES = 16 * 1024 ** 2;

/**
 * Has the mounts of a run undone when its result is there already: the kernel waits twice for a grace period of RCU, and frees what was written. That
 * can't be where nobody tells how much that is. Pure.
 */
export function planLaterMounts({ usage }: Pick<GroupPlan, 'usage'>): Pick<Plan, 'laterMounts'> {
  const [left, swapped] = [LEFT, SWAPPED].map((files) =>
    usage.flatMap(({ controller, path }, report) => (controller === 'memory' && files.has(path) ? [report] : [])),
  );
  if (left?.[0] === undefined) return {};
  return { laterMounts: { reports: [left[0], ...(swapped ?? [])], mostBytes: MOST_BYTES } };
}

import type { Plan } from '../../plan/plan.js';
import type { Step } from '../../plan/steps.js';

const OF_GROUPS: ReadonlySet<Step['op']> = new Set(['release_real_time', 'remove_group']);

/**
 * Whether nothing but a container's own groups is left when the end is told: nobody has a use for these. A caller may want anything else
 * again as soon as the result is there, such as a port, an address, or a group in which the container's was made. Pure.
 */
export function isTidiedLater(
  { tellsEndFirst, undo }: Plan,
  { cgroup, cgroupParent }: Readonly<Record<'cgroup' | 'cgroupParent', unknown>>,
): boolean {
  return tellsEndFirst === true && cgroup === null && cgroupParent === null && undo.every(({ op }) => OF_GROUPS.has(op));
}

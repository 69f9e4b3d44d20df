import type { Step } from '../../plan/steps.js';
import type { ParsedOptions } from '../options/container-options.js';
import type { ContainerPlan } from './container-plan.js';

const OF_GROUPS: ReadonlySet<Step['op']> = new Set(['release_real_time', 'remove_group']);

/**
 * Whether nothing is left when the end is told but a container's own groups, and what it has got from networks by bridges, addresses and names: nobody has a
 * use for the groups, and whoever needs an address, or asks about a network, waits for these. A caller may want anything else again as soon as the result is
 * there, such as a port, an address that the caller has named, or a group in which the container's was made. Pure.
 */
export function isTidiedLater(
  { rest: { tellsEndFirst, undo }, leave }: Pick<ContainerPlan, 'rest' | 'leave'>,
  { cgroup, cgroupParent, networks, ports }: Pick<ParsedOptions, 'cgroup' | 'cgroupParent' | 'networks' | 'ports'>,
): boolean {
  const isOwn = cgroup === null && cgroupParent === null && ports.length === 0 && networks.every(({ ip }) => ip === null);
  return tellsEndFirst === true && isOwn && undo.every((step) => OF_GROUPS.has(step.op) || leave.includes(step));
}

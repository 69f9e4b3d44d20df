import { devicesAbove } from '../../cgroup/devices-above.js';
import { type GroupPlan, planGroup } from '../../cgroup/group-plan.js';
import { findDisks, groupFiles } from '../../cgroup/group-probe.js';
import { realTimeAbove } from '../../cgroup/real-time.js';
import { UnsupportedError } from '../../errors.js';
import { type GroupLayout, groupLayout, withBases } from '../../host/cgroup-base.js';
import type { ParsedLimits } from '../../options/limits.js';
import type { Slots } from '../../plan/plan.js';
import { filterOf } from './container-group.js';

export interface ExecGroupRequest {
  readonly slots: Slots;
  readonly id: string;
  /** The name of the container's group, which limits the program too. */
  readonly container: string;
  /** Where the container's groups are, by the mount points of their hierarchies. */
  readonly bases: Readonly<Record<string, string>>;
  readonly limits: ParsedLimits;
  /** The program's CPU time is limited. */
  readonly countsCpu: boolean;
}

/**
 * The group of a program in a running container, beside that of the container's own program: so that the whole tree of this program can be
 * counted and killed, and nothing else.
 *
 * @throws UnsupportedError for a limit that can't be kept
 */
export async function planExecGroup({ slots, id, container, bases, limits: given, countsCpu }: ExecGroupRequest): Promise<GroupPlan> {
  const layout = layoutAt(bases);
  const name = `${container}/exec-${id}`;
  const limits = findDisks(given);
  const { deviceRules } = limits;
  const filter = deviceRules === undefined ? undefined : await filterOf(layout);
  const group = planGroup({
    slots,
    layout,
    name,
    limits,
    files: await groupFiles(layout, limits),
    above: realTimeAbove(layout, name, limits),
    // the unified tree counts in every group
    controllers: countsCpu && !layout.unified ? ['cpuacct'] : [],
    within: container,
    isFixed: true,
    // the container may have none, without which it was made
    isOptional: true,
    ...(deviceRules === undefined ? {} : { deviceRules, devicesAbove: devicesAbove(layout, name, deviceRules) }),
    ...(filter ? { deviceFilter: filter } : {}),
  });
  if (deviceRules && !group.confinesDevices) throw new UnsupportedError('limit deviceRules', group.unconfinedReason);
  return group;
}

/** The layouts of containers, by their bases: one that runs many programs is looked up once. */
const layouts = new WeakMap<ExecGroupRequest['bases'], GroupLayout>();

function layoutAt(bases: ExecGroupRequest['bases']): GroupLayout {
  const layout = layouts.get(bases) ?? withBases(groupLayout(), new Map(Object.entries(bases)));
  layouts.set(bases, layout);
  return layout;
}

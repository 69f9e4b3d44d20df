import { dirname } from 'node:path';
import { isOnTheWay, noteMissing } from '../cgroup/on-the-way.js';
import { containerControllers, type GroupPlan, pathOf, planGroup } from '../cgroup/plan.js';
import { UnsupportedError } from '../errors.js';
import type { GroupLayout } from '../host/cgroup-base.js';
import { type DeviceRule, type ParsedLimits, refuseLaterLimits } from '../plan/limits.js';
import { NONE, type Slots } from '../plan/plan.js';
import type { Step } from '../plan/steps.js';
import { type CapabilityMask, capabilityMask } from '../security/capabilities.js';
import { defaultDeviceRules } from '../security/paths.js';
import type { ParsedOptions } from './options.js';
import type { ExtraDevice } from './plan/input.js';

export type NotEnforced = { feature: string; reason: string }[];

interface Place {
  readonly slots: Slots;
  readonly layout: GroupLayout;
  readonly owner: string;
  readonly id: string;
  readonly devices: readonly ExtraDevice[];
}

/**
 * The container's own group: nacelle/OWNER/ID, or ID below the group that the caller named, whose limits bind it too.
 * With `onUnsupported: 'report'` limits that can't be kept are left out and listed.
 *
 * @throws UnsupportedError for a limit that can't be kept
 */
export function planContainerGroup(options: ParsedOptions, place: Place): { group: GroupPlan; notEnforced: NotEnforced } {
  const { slots, layout, owner, id, devices } = place;
  const parent = options.cgroup ?? options.cgroupParent;
  const parentName = parent === null ? owner : typeof parent === 'string' ? parent : parent.name;
  const plan = (limits: ParsedLimits): GroupPlan => {
    refuseLaterLimits(limits);
    return planGroup({
      slots,
      layout,
      name: `${parentName}/${id}`,
      limits,
      controllers: containerControllers,
      deviceRules: [...defaultDeviceRules, ...devices.map(deviceRule)],
    });
  };
  const { limits, notEnforced } =
    options.onUnsupported === 'report' ? keepable(options.limits, plan) : { limits: options.limits, notEnforced: [] };
  const group = plan(limits);
  const above = parent === null ? [] : parentFolders(group);
  noteMissing(above);
  const made = above.filter(isOnTheWay);
  return { group: { ...group, undo: [...group.undo, ...made.map(removeStep)] }, notEnforced };
}

/** Those limits that can be planned each by itself. */
function keepable(limits: ParsedLimits, plan: (limits: ParsedLimits) => unknown): { limits: ParsedLimits; notEnforced: NotEnforced } {
  const notEnforced: NotEnforced = [];
  const kept = Object.entries(limits).filter(([name, value]) => {
    try {
      plan({ [name]: value });
      return true;
    } catch (error) {
      if (!(error instanceof UnsupportedError)) throw error;
      notEnforced.push({ feature: name, reason: error.reason });
      return false;
    }
  });
  return { limits: Object.fromEntries(kept), notEnforced };
}

/** The folders between our root and the container's own group, the deepest first. */
function parentFolders(group: GroupPlan): string[] {
  const folders = new Set<string>();
  for (const path of new Set(Object.values(group.paths))) {
    const shortest = path.lastIndexOf(pathOf('', '')) + pathOf('', '').length;
    for (let folder = dirname(path); folder.length > shortest; folder = dirname(folder)) folders.add(folder);
  }
  return [...folders].sort((a, b) => b.length - a.length);
}

function removeStep(path: string): Step {
  return { op: 'remove_folder', host: true, at: NONE, path, wait: 0 };
}

function deviceRule({ type, major, minor, access }: ExtraDevice): DeviceRule {
  return { type, major, minor, access, allow: true };
}

/**
 * Without the device controller nothing holds a program back from a device node in /dev: that is no matter while it
 * can't make any and has those alone that it was given in full.
 *
 * @throws UnsupportedError
 */
export function requireDeviceController(
  group: GroupPlan,
  { capabilities, devices }: { capabilities: CapabilityMask; devices: readonly ExtraDevice[] },
): void {
  if (group.confinesDevices) return;
  const reason = 'no v1 device controller can be used here, and its successor on v2 comes in a later version';
  if ((capabilities & capabilityMask('MKNOD')) !== 0n) throw new UnsupportedError("capAdd 'MKNOD'", reason);
  const partial = devices.find(({ access }) => !['r', 'w', 'm'].every((letter) => access.includes(letter)));
  if (partial)
    throw new UnsupportedError(
      `devices: access '${partial.access}' to ${partial.path}`,
      reason,
      "Give it with access 'rwm', or as a bind mount.",
    );
}

import { devicesAbove } from '../../cgroup/devices-above.js';
import { containerControllers, foldersAbove, type GroupPlan, runControllers } from '../../cgroup/group-plan.js';
import { findDisks, groupFiles } from '../../cgroup/group-probe.js';
import { recordsOf } from '../../cgroup/group-records.js';
import { GroupShapes } from '../../cgroup/group-shapes.js';
import { isOnTheWay, noteMissing } from '../../cgroup/parent-folders.js';
import { realTimeAbove } from '../../cgroup/real-time.js';
import { UnsupportedError } from '../../errors.js';
import type { GroupLayout } from '../../host/cgroup-base.js';
import { deviceFilter } from '../../host/device-filter-support.js';
import type { Feature } from '../../host/feature.js';
import type { HostRecord } from '../../host/journal.js';
import type { DeviceRule, ParsedDeviceRule, ParsedLimits } from '../../options/limits.js';
import { type CapabilityMask, capabilityMask } from '../../plan/capability-names.js';
import { type CpuClock, NONE, type Slots } from '../../plan/plan.js';
import type { Step } from '../../plan/steps.js';
import { defaultDeviceRules } from '../../security/paths.js';
import type { ParsedOptions } from '../options/container-options.js';
import type { ExtraDevice } from '../plan/plan-input.js';

export type NotEnforced = { feature: string; reason: string }[];

export interface PlannedGroup {
  readonly group: GroupPlan;
  /** The limits that can be kept. */
  readonly limits: ParsedLimits;
  readonly notEnforced: NotEnforced;
  /** Records for the journal, for a group whose path does not tell its owner. */
  readonly records: readonly HostRecord[];
}

interface Place {
  readonly slots: Slots;
  readonly layout: GroupLayout;
  readonly owner: string;
  readonly id: string;
  readonly devices: readonly ExtraDevice[];
  /** Other programs will come beside the container's own: see {@link MAIN}. */
  readonly park: boolean;
  /** It runs once, and nobody gets it who could change its limits, or look into its groups. Default: false. */
  readonly isRun?: boolean;
  /** The program can do without a group. Default: false. */
  readonly isOptional?: boolean;
}

/** The group of a container's own program, below that of the container: programs that join it have groups beside. */
const MAIN = 'main';

const shapes = new GroupShapes();

/**
 * The container's own group: nacelle/OWNER/ID, or ID below the group that the caller named, whose limits bind it too.
 * With `onUnsupported: 'report'` limits that can't be kept are left out and listed.
 *
 * @throws UnsupportedError for a limit that can't be kept
 */
export async function planContainerGroup(options: ParsedOptions, place: Place): Promise<PlannedGroup> {
  const { slots, layout, owner, id, devices, park, isRun = false, isOptional = false } = place;
  const parent = options.cgroup ?? options.cgroupParent;
  const parentName = parent === null ? owner : typeof parent === 'string' ? parent : parent.name;
  const name = `${parentName}/${id}`;
  const all = findDisks(options.limits);
  const files = await groupFiles(layout, all);
  const filter = await filterOf(layout);
  const plan = (limits: ParsedLimits): GroupPlan => {
    const deviceRules = deviceRulesOf(devices, limits);
    const request = {
      slots,
      layout,
      name,
      limits,
      files,
      above: realTimeAbove(layout, name, limits),
      controllers: isRun && countsEverywhere(layout) ? runControllers : containerControllers,
      isFixed: isRun,
      ...(parent === null ? {} : { within: parentName }),
      ...(park ? { leaf: MAIN } : {}),
      isOptional,
      deviceRules,
      devicesAbove: devicesAbove(layout, name, deviceRules),
      ...(filter ? { deviceFilter: filter } : {}),
    };
    const group = shapes.plan(request, id);
    if (limits.deviceRules && !group.confinesDevices) throw new UnsupportedError('limit deviceRules', group.unconfinedReason);
    return group;
  };
  const { limits, notEnforced } = options.onUnsupported === 'report' ? keepable(all, plan) : { limits: all, notEnforced: [] };
  const group = plan(limits);
  const above = parent === null ? [] : parentFolders(group);
  noteMissing(above);
  const made = above.filter(isOnTheWay);
  const undo = [...group.undo, ...made.map(removeStep)];
  return { group: { ...group, undo }, limits, notEnforced, records: parent === null ? [] : [...recordsOf(undo), ...roots(group)] };
}

/** Whether each group has a folder on a unified tree, where it counts processor time whatever its controllers are. */
function countsEverywhere({ unified, bases }: GroupLayout): boolean {
  return unified !== null && bases.get(unified.mountPoint)?.path != null;
}

/** The clock of CPU time; with `onUnsupported: 'report'` why there is none. @throws UnsupportedError */
export function cpuClockOf(
  { process: { cpuTimeLimit }, onUnsupported }: Pick<ParsedOptions, 'process' | 'onUnsupported'>,
  group: GroupPlan,
): { readonly cpuClock: CpuClock | null; readonly notEnforced: NotEnforced } {
  try {
    return { cpuClock: cpuTimeLimit === null ? null : group.cpuClock(cpuTimeLimit), notEnforced: [] };
  } catch (error) {
    if (onUnsupported === 'error' || !(error instanceof UnsupportedError)) throw error;
    return { cpuClock: null, notEnforced: [{ feature: 'cpuTimeLimit', reason: error.reason }] };
  }
}

/** The container's own rules, then its devices, then the caller's rules. */
export function deviceRulesOf(devices: readonly ExtraDevice[], { deviceRules }: ParsedLimits): readonly ParsedDeviceRule[] {
  if (devices.length === 0 && deviceRules === undefined) return defaultDeviceRules;
  return [...defaultDeviceRules, ...devices.map(deviceRule), ...(deviceRules ?? [])];
}

/** Whether a device filter can be loaded. `undefined` where it is not needed: v1 has a device controller that can be used. */
export async function filterOf(layout: GroupLayout): Promise<Feature | undefined> {
  const v1 = layout.controllers.get('devices');
  return v1 && layout.bases.get(v1.mountPoint)?.path != null ? undefined : deviceFilter();
}

/** Limits that mean nothing without certain others. */
const WITH: Partial<Record<string, readonly (keyof ParsedLimits)[]>> = {
  memorySwap: ['memory'],
  cpuPeriod: ['cpus', 'cpuQuota'],
  cpuBurst: ['cpus', 'cpuQuota', 'cpuPeriod'],
};

/** Separates the limits that can be planned, each by itself or with those that it needs, from those that can't be enforced. */
function keepable(limits: ParsedLimits, plan: (limits: ParsedLimits) => unknown): { limits: ParsedLimits; notEnforced: NotEnforced } {
  const notEnforced: NotEnforced = [];
  const kept = Object.entries(limits).filter(([name, value]) => {
    try {
      plan({ ...Object.fromEntries((WITH[name] ?? []).map((other) => [other, limits[other]])), [name]: value });
      return true;
    } catch (error) {
      if (!(error instanceof UnsupportedError)) throw error;
      notEnforced.push({ feature: name, reason: error.reason });
      return false;
    }
  });
  return { limits: Object.fromEntries(kept), notEnforced };
}

/** The folders between our root and the container's own group, wherever that may come to be; the deepest first. */
function parentFolders({ folders, name }: GroupPlan): string[] {
  return folders.flatMap((path) => foldersAbove(path, name));
}

/** Records of our own folder in each hierarchy, which is removed with the last of its groups. */
function roots({ folders, name }: GroupPlan): HostRecord[] {
  return folders.map((path) => ({ kind: 'folder', path: path.slice(0, -name.length - 1) }));
}

function removeStep(path: string): Step {
  return { op: 'remove_folder', host: true, at: NONE, path, wait: 0 };
}

function deviceRule({ type, major, minor, access }: ExtraDevice): DeviceRule {
  return { type, major, minor, access, allow: true };
}

/**
 * Without the device controller nothing keeps a program from using a device node in /dev. That does no harm as long as the program can't
 * make nodes, and was given each device in /dev with full access.
 *
 * @throws UnsupportedError
 */
export function requireDeviceController(
  group: GroupPlan,
  { capabilities, devices }: { capabilities: CapabilityMask; devices: readonly ExtraDevice[] },
): void {
  if (group.confinesDevices) return;
  const reason = `devices can't be confined: ${group.unconfinedReason}`;
  if ((capabilities & capabilityMask('MKNOD')) !== 0n) throw new UnsupportedError("capAdd 'MKNOD'", reason);
  const partial = devices.find(({ access }) => !['r', 'w', 'm'].every((letter) => access.includes(letter)));
  if (partial)
    throw new UnsupportedError(
      `devices: access '${partial.access}' to ${partial.path}`,
      reason,
      "Give it with access 'rwm', or as a bind mount.",
    );
}

/** Where groups are made, by the mount points of their hierarchies. */
export function basesOf({ bases }: GroupLayout): Record<string, string> {
  return Object.fromEntries([...bases].flatMap(([mountPoint, { path }]) => (path === null ? [] : [[mountPoint, path] as const])));
}

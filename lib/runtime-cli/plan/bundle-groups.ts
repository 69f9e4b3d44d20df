import { dirname, join } from 'node:path/posix';
import { filterSteps, joinStep } from '../../cgroup/group-plan.js';
import { deviceSteps, deviceWrites } from '../../cgroup/limits/device-rules.js';
import type { GroupFiles, Place, Write } from '../../cgroup/limits/group-write.js';
import { invalidOption, UnsupportedError } from '../../errors.js';
import type { GroupLayout } from '../../host/cgroup-base.js';
import type { Hierarchy } from '../../host/cgroup-layout.js';
import type { SystemdOwner } from '../../host/systemd-units.js';
import { deviceRulesOf, unifiedWrites } from '../../oci-config/bundle-limits.js';
import type { Resources } from '../../oci-config/resources-schema.js';
import { NONE, type Plan, type Slots } from '../../plan/plan.js';
import type { Slot, Step } from '../../plan/steps.js';
import { resourceWritesOf, swapWrites } from './resource-writes.js';

/** Where a planner that stays goes where the top of the hierarchies takes no process (addon/shim/front/own_groups.cc). */
const PLANNERS = 'nacelle-oci';

/** The groups of a container: one folder in each hierarchy, of the same path. */
export interface BundleGroups {
  /** Host: make the folders, put the limits. */
  readonly prepare: readonly Step[];
  readonly join: readonly Step[];
  /** The folder on the unified tree, for CLONE_INTO_CGROUP. */
  readonly unified: Slot | undefined;
  /** `undefined`: there is no group. */
  readonly killGroup: Plan['killGroup'];
  readonly undo: readonly Step[];
  /** What is written for the limits. */
  readonly limits: readonly Write[];
}

/** A folder of a group, and what its hierarchy counts. */
export interface GroupFolder {
  readonly path: string;
  readonly version: 1 | 2;
  /** Those of v1; on v2 those that may be handed on. */
  readonly controllers: readonly string[];
  readonly mountPoint: string;
  /** The unit of systemd whose group this is. */
  readonly unit?: string | undefined;
  /** Whose systemd has the unit; without: that of the machine. */
  readonly unitOf?: SystemdOwner | undefined;
  /** It is the runtime's own, which the container sees in the place of one that could not be made. */
  readonly isRuntimes?: boolean | undefined;
}

/**
 * Where the groups of a container are (config-linux.md, "Cgroups Path"): an absolute path is below the mount of each hierarchy, a relative one
 * below this process's own group, and without one the id is such a relative path. On pure v2 it is beside the own group, as with runc: a group that has
 * processes can't hand controllers on. Pure.
 *
 * @throws NacelleError `ERR_INVALID_OPTION` for a path that leads out; UnsupportedError for a group of systemd
 */
export function groupFolders(layout: GroupLayout, cgroupsPath: string | undefined, id: string): GroupFolder[] {
  const wanted = cgroupsPath || id;
  if (wanted.split('/').includes('..')) throw invalidOption('linux.cgroupsPath', "must have no part '..'");
  if (isSystemdName(wanted))
    throw new UnsupportedError(
      `linux.cgroupsPath of config.json, ${JSON.stringify(wanted)}`,
      'it names a scope of systemd (slice:prefix:name)',
      'Call the runtime with --systemd-cgroup, or have the engine use its cgroup driver cgroupfs, and a path.',
    );
  if (/^\/*$/.test(wanted)) throw invalidOption('linux.cgroupsPath', 'must not be the top of the hierarchies');
  const hierarchies = new Map<string, Hierarchy>();
  for (const hierarchy of [...(layout.unified === null ? [] : [layout.unified]), ...layout.controllers.values()])
    hierarchies.set(hierarchy.mountPoint, hierarchy);
  const folders = [...hierarchies.values()].map(({ mountPoint, ownPath, version, controllers }) => ({
    path: join(wanted.startsWith('/') ? mountPoint : relativeTo(layout.mode, mountPoint, ownPath ?? mountPoint), wanted),
    version,
    controllers,
    mountPoint,
  }));
  if (folders.some(({ path, mountPoint }) => `${path}/`.startsWith(`${join(mountPoint, PLANNERS)}/`)))
    throw invalidOption('linux.cgroupsPath', `must not be the group of planners that stay, /${PLANNERS}`);
  return folders;
}

/** Whether engines mean a scope of systemd by it, which they ask for together with --systemd-cgroup: 'SLICE:PREFIX:NAME', without a slice the default. */
function isSystemdName(path: string): boolean {
  const [slice = '', ...rest] = path.split(':');
  return rest.length === 2 && !path.includes('/') && (slice === '' || slice === '-' || slice.endsWith('.slice'));
}

function relativeTo(mode: GroupLayout['mode'], mountPoint: string, own: string): string {
  return mode === 'v2' && own !== mountPoint ? dirname(own) : own;
}

/**
 * The folder in which a container's processes are listed, frozen and killed: on the unified tree, else where v1's freezer is. `null`: there are no groups. Pure.
 */
export function homeOfGroup(folders: readonly GroupFolder[]): GroupFolder | null {
  return (
    folders.find(({ version }) => version === 2) ?? folders.find(({ controllers }) => controllers.includes('freezer')) ?? folders[0] ?? null
  );
}

/** Where the processes are frozen: v1's freezer where it is mounted, else the unified tree. Pure. */
export function freezerOf(folders: readonly GroupFolder[]): GroupFolder | null {
  return folders.find(({ version, controllers }) => version === 1 && controllers.includes('freezer')) ?? homeOfGroup(folders);
}

export interface GroupsRequest {
  readonly slots: Slots;
  readonly layout: GroupLayout;
  /** The files of this kernel that the limits need. */
  readonly files: GroupFiles;
  readonly folders: readonly GroupFolder[];
  readonly resources: Resources | undefined;
  readonly canFilterDevices: boolean;
  /** The groups stay after the container's end, and are removed by whoever asked for that. */
  readonly keep: boolean;
  /** Nobody here may make rules for devices, nor devices: they are left out, as runc leaves them out. */
  readonly isConfined: boolean;
  /** What a group of v2 that is there hands on; `null` for one that is not. */
  readonly handsOn: (path: string) => HandedOn | null;
}

/** Controllers of a group of v2. */
export interface HandedOn {
  /** cgroup.controllers */
  readonly available: readonly string[];
  /** cgroup.subtree_control */
  readonly enabled: readonly string[];
}

/** Pure. @throws UnsupportedError for a limit that can't be kept */
export function planBundleGroups(request: GroupsRequest): BundleGroups {
  const { slots, layout, files, folders, resources, canFilterDevices, isConfined, handsOn, keep } = request;
  const members = folders.map((folder) => ({ ...folder, slot: slots.take() }));
  const unified = members.find(({ version }) => version === 2);
  const slotOf = (controller: string): Slot => {
    const member = members.find(({ controllers }) => controllers.includes(controller));
    if (member === undefined)
      throw new UnsupportedError(
        `limits of the cgroup controller ${controller}`,
        'the container has no group of it',
        'Run it as root, or where that controller is delegated to this user.',
      );
    return member.slot;
  };
  const place = { layout: rooted(layout, folders), files };
  const writes =
    resources === undefined ? [] : [...newMemoryWrites(resources, place), ...resourceWritesOf(ofNew(resources, folders), place)];
  const put = (at: Slot, path: string, value: string): Step => ({ op: 'put', host: true, at, path, bytes: Buffer.from(value) });
  const ofUnified = resources === undefined ? [] : unifiedWrites(resources);
  const home = members.find(({ path }) => path === homeOfGroup(folders)?.path);
  const limiting = new Set([...writes.map(({ controller }) => controller), ...ofUnified.map(({ file }) => controllerOf(file))]);
  return {
    prepare: [
      ...members.flatMap((member) => makeSteps(member, handedOn(member, layout.mode, limiting), handsOn)),
      ...writes.map(({ controller, file, value }) => put(slotOf(controller), file, value)),
      ...(isConfined ? [] : deviceLimits(resources, { members, unified, canFilterDevices, slots })),
      ...ofUnified.map(({ file, value }) => put(requireUnified(file, layout, unified).slot, file, value)),
    ],
    join: members.filter(({ version }) => version === 1).map(({ slot }) => joinStep(slot)),
    unified: unified?.slot,
    killGroup: home === undefined ? undefined : { at: home.slot, path: '.' },
    undo: keep ? [] : folders.map(({ path }): Step => ({ op: 'remove_group', host: true, at: NONE, path })),
    limits: [...writes, ...ofUnified.map((write) => ({ ...write, controller: 'unified' }))],
  };
}

function controllerOf(file: string): string {
  return file.split('.', 1)[0] ?? '';
}

/**
 * What the groups above a container's are to hand on in its hierarchy. Beside v1 the unified tree has the few controllers that v1 left, and the own group, below
 * which the container's is, may have processes, so that it hands none on: it is asked for those that limit this container, and for no others.
 */
function handedOn({ version, controllers }: GroupFolder, mode: GroupLayout['mode'], limiting: ReadonlySet<string>): readonly string[] {
  if (version === 1) return [];
  return mode === 'v2' ? controllers : controllers.filter((name) => limiting.has(name));
}

/** The group that has a file of the unified tree. @throws UnsupportedError where v1 has its controller, or nothing has it */
function requireUnified<G extends GroupFolder>(file: string, { controllers }: GroupLayout, unified: G | undefined): G {
  const controller = controllerOf(file);
  const isThere = controller === 'cgroup' || unified?.controllers.includes(controller);
  const why =
    unified === undefined
      ? 'this machine has no unified tree'
      : controllers.get(controller)?.version === 1
        ? `cgroup v1 has the controller ${controller}`
        : !isThere && `the requested cgroup controller \`${controller}\` is not available`;
  // runc's words, and crun's after them
  if (unified === undefined || why)
    throw new UnsupportedError(`linux.resources.unified[${JSON.stringify(file)}] of config.json`, `invalid configuration: ${why}`);
  return unified;
}

/**
 * What differs from a new group. Engines name the kernel's defaults too: they need no group then. A period without a quota limits nothing, so that nothing is
 * missing where no group of cpu has it.
 */
function ofNew({ memory, cpu, ...others }: Resources, folders: readonly GroupFolder[]): Resources {
  const hasCpu = folders.some(({ controllers }) => controllers.includes('cpu'));
  const isBarePeriod = (cpu?.quota ?? 0) <= 0;
  return {
    ...others,
    memory: memory && { ...memory, disableOOMKiller: memory.disableOOMKiller || undefined },
    cpu: cpu && isBarePeriod && !hasCpu ? { ...cpu, period: undefined } : cpu,
  };
}

/** Nothing limits the memory of a new group, so what says so again need not be written. */
function newMemoryWrites({ memory }: Resources, { layout }: Place): Write[] {
  const [limit, swap] = [memory?.limit ?? 0, memory?.swap ?? 0];
  return swapWrites({ limit: Math.max(limit, 0), swap: Math.max(swap, 0) }, { layout, read: () => null });
}

/** The layout with groups below the top of each hierarchy: this runtime's groups are where config.json says. */
export function rooted(layout: GroupLayout, folders: readonly Pick<GroupFolder, 'mountPoint'>[]): GroupLayout {
  return { ...layout, bases: new Map(folders.map(({ mountPoint }) => [mountPoint, { path: mountPoint }])) };
}

function makeSteps(
  { path, mountPoint, version, controllers, slot }: GroupFolder & { slot: Slot },
  wanted: readonly string[],
  handsOn: GroupsRequest['handsOn'],
): Step[] {
  const make: Step = { op: 'make_group', host: true, out: slot, at: NONE, path };
  const parts = path.slice(mountPoint.length).split('/').filter(Boolean);
  const above = parts.slice(0, -1).map((_, index) => join(mountPoint, ...parts.slice(0, index + 1)));
  if (version === 1 && controllers.includes('cpuset')) return [make, { op: 'inherit_cpusets', host: true, path, most: above.length + 1 }];
  if (wanted.length === 0) return [make];
  // a folder below has what this one is about to hand on, whatever it has now
  const top = handsOn(mountPoint)?.available ?? wanted;
  const offered = wanted.filter((name) => top.includes(name));
  const enable = (folder: string): Step[] => {
    const enabled = handsOn(folder)?.enabled ?? [];
    const missing = offered.filter((name) => !enabled.includes(name));
    if (missing.length === 0) return [];
    const bytes = Buffer.from(missing.map((name) => `+${name}`).join(' '));
    return [{ op: 'put', host: true, at: NONE, path: `${folder}/cgroup.subtree_control`, bytes }];
  };
  // the folder first: nobody removes a group with another one in it
  return [make, ...[mountPoint, ...above].flatMap(enable)];
}

function deviceLimits(
  resources: Resources | undefined,
  {
    members,
    unified,
    canFilterDevices,
    slots,
  }: {
    readonly members: readonly (GroupFolder & { readonly slot: Slot })[];
    readonly unified: { readonly slot: Slot } | undefined;
    readonly canFilterDevices: boolean;
    readonly slots: Slots;
  },
): Step[] {
  const rules = deviceRulesOf(resources);
  const v1 = members.find(({ version, controllers }) => version === 1 && controllers.includes('devices'));
  if (v1 !== undefined) return deviceSteps(deviceWrites(rules), v1.slot);
  if (unified !== undefined && canFilterDevices) return filterSteps(rules, { group: unified.slot, program: slots.take() });
  throw new UnsupportedError('linux.resources.devices of config.json', 'this machine can not confine devices');
}

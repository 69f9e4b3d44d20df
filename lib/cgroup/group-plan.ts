import { UnsupportedError } from '../errors.js';
import type { GroupLayout } from '../host/cgroup-base.js';
import type { Hierarchy } from '../host/cgroup-layout.js';
import type { Feature } from '../host/feature.js';
import type { ParsedDeviceRule, ParsedLimits } from '../options/limits.js';
import { OWN_NAME } from '../plan/constants.js';
import { type CpuClock, NONE, type Plan, planOf, type Report, type Slots } from '../plan/plan.js';
import type { Slot, Step } from '../plan/steps.js';
import { compileDeviceFilter } from './limits/device-filter.js';
import { deviceSteps, deviceWrites } from './limits/device-rules.js';
import { type GroupFiles, noFiles, type Write } from './limits/group-write.js';
import { controllersOf, limitWrites } from './limits/limit-writes.js';
import { type PlacedUsageFile, usageFiles } from './stats/usage.js';

/** What a container's group counts and limits, where the machine has it. */
export const containerControllers = ['memory', 'cpuacct', 'pids', 'devices'] as const;

/** The same where the unified tree counts processor time, and nobody looks into the groups. */
export const runControllers = ['memory', 'pids', 'devices'] as const;

/** What a group that is asked for by name counts and limits, where the machine has it. */
export const groupControllers = ['memory', 'cpu', 'cpuacct', 'pids', 'blkio', 'io', 'perf_event'] as const;

export interface GroupRequest {
  readonly slots: Slots;
  readonly layout: GroupLayout;
  /** Below our own root: 'OWNER/ID', or the name that the user gave. Must have been checked. */
  readonly name: string;
  /** `deviceRules` is not looked at. */
  readonly limits: ParsedLimits;
  /** The files of this kernel that {@link limits} need. Default: none of the files that not every kernel has. */
  readonly files?: GroupFiles;
  /** Controllers that are joined where they are available; those that `limits` need are joined in any case. */
  readonly controllers: readonly string[];
  /** The device rules: for each letter of an access the last rule that fits decides. */
  readonly deviceRules?: readonly ParsedDeviceRule[];
  /** The name of the caller's group that it is below: the limits of that one, and of those above it, bind too. */
  readonly within?: string;
  /** Its limits never change: it comes to have no other folders than those that the plan makes. */
  readonly isFixed?: boolean;
  /** devices.list of the group above: for rules that allow all but some devices, where v1 keeps them. */
  readonly devicesAbove?: string | null;
  /** Values that groups above must have before {@link limits} can be set. */
  readonly above?: readonly { readonly path: string; readonly value: string }[];
  /**
   * The name of a group below this one, on the unified tree alone, in which the first process is born. Then others can be made beside that
   * one: groups with controllers can't be made below a group that has processes itself.
   */
  readonly leaf?: string;
  /** Where none can be made, and no limit needs one, there is none: the end of the first process ends the others. Default: that is an error. */
  readonly isOptional?: boolean;
  /** Whether the unified tree can confine devices, where v1 has no controller for it. */
  readonly deviceFilter?: Feature;
}

/** The parts of a plan that make, fill, read and remove one group in all its hierarchies. */
export interface GroupPlan {
  /** Host: make the folders, put the limits. */
  readonly prepare: readonly Step[];
  /** Child: join each v1 hierarchy. The unified one is joined by being born there. */
  readonly join: readonly Step[];
  /** The folder on the unified tree, for CLONE_INTO_CGROUP. */
  readonly unified: Slot | undefined;
  /** The group in which a kill ends the whole tree: on the unified tree, else where the freezer is. `null`: see {@link GroupRequest.isOptional}. */
  readonly killGroup: NonNullable<Plan['killGroup']> | null;
  readonly undo: readonly Step[];
  readonly reports: readonly Report[];
  /** The files of the reports, and where they are for as long as the group is there. */
  readonly usage: readonly PlacedUsageFile[];
  /** @throws UnsupportedError where no group counts CPU time */
  cpuClock(limitMs: number): CpuClock;
  /** Whether the device rules hold; `unconfinedReason` says why not. */
  readonly confinesDevices: boolean;
  readonly unconfinedReason: string;
  /** Below our own root. */
  readonly name: string;
  /** Every folder that it has or may come to have. */
  readonly folders: readonly string[];
  /** Absolute folders by controller, and 'unified'. */
  readonly paths: Readonly<Record<string, string>>;
  /** The name of the group below it, as it was asked for; `null` where there is none. */
  readonly leaf: string | null;
}

interface Member {
  readonly hierarchy: Hierarchy;
  readonly base: string;
  readonly slot: Slot;
  /** Those of the requested controllers that this hierarchy has. */
  readonly controllers: readonly string[];
}

/**
 * Plans a group: one folder in each hierarchy that has something to do. Pure.
 *
 * @throws UnsupportedError when a limit can't be kept, or no group can be made at all
 */
export function planGroup(request: GroupRequest): GroupPlan {
  const { layout, name, limits } = request;
  const writes = limitWrites(limits, { layout, files: request.files ?? noFiles });
  // without the unified tree, only v1's freezer can stop a tree, and kill one that forks
  const stopping = layout.unified ? [] : ['freezer'];
  const members = chooseMembers(request, new Set([...stopping, ...request.controllers, ...controllersOf(limits, layout)]));
  const unified = members.find(({ hierarchy }) => hierarchy === layout.unified);
  const killed = unified ?? memberOf(members, 'freezer') ?? members[0];
  if (!killed && !request.isOptional)
    throw new UnsupportedError('cgroup', 'this machine has no cgroup hierarchy mounted', 'Mount one: mount -t cgroup2 none /sys/fs/cgroup');

  const v1 = members.filter((member) => member !== unified);
  const leaf = unified && request.leaf !== undefined ? planLeaf(request, { unified, writes, name: request.leaf }) : undefined;
  const devices = confineDevices(request, memberOf(members, 'devices'), unified);
  const files = usageFiles((controller) => memberOf(members, controller)?.hierarchy.version);
  const read = files.flatMap((file) => {
    const member = file.controller === 'unified' ? unified : memberOf(members, file.controller);
    if (!member) return [];
    return [{ report: { at: member.slot, path: file.path }, usage: { at: `${pathOf(member.base, name)}/${file.path}`, ...file } }];
  });

  const paths = Object.fromEntries(
    members.flatMap((member) =>
      (member === unified ? [...member.controllers, 'unified'] : member.hierarchy.controllers).map((key) => [
        key,
        pathOf(member.base, name),
      ]),
    ),
  );
  const beside = basesBeside(layout, name, paths);
  const folders = [...new Set([...members.map(({ base }) => base), ...(request.isFixed ? [] : beside)])].map((base) => pathOf(base, name));
  const cpu = v1CpuFolder(layout, name);
  return {
    name,
    folders,
    prepare: [
      ...members.flatMap((member) => makeSteps(member, name)),
      ...(request.above ?? []).map(({ path, value }): Step => ({ op: 'put', host: true, at: NONE, path, bytes: Buffer.from(value) })),
      ...writes.flatMap((write) => putStep(write, memberOf(members, write.controller))),
      ...devices.steps,
      ...(leaf?.steps ?? []),
    ],
    join: [...v1.map(({ slot }) => joinStep(slot)), ...(request.within === undefined ? [] : joinAbove(beside, request.within))],
    unified: leaf?.slot ?? unified?.slot,
    killGroup: killed ? { at: killed.slot, path: '.' } : null,
    undo: [
      ...(cpu !== undefined && folders.includes(cpu) ? releaseSteps(cpu) : []),
      ...folders.map((path): Step => ({ op: 'remove_group', host: true, at: NONE, path })),
    ],
    reports: read.map(({ report }) => report),
    usage: read.map(({ usage }) => usage),
    cpuClock: (limitMs) => cpuClock(limitMs, { members, unified, layout }),
    confinesDevices: devices.reason === '',
    unconfinedReason: devices.reason,
    paths,
    leaf: leaf === undefined ? null : (request.leaf ?? null),
  };
}

/** A group's folder below the base of its hierarchy. */
export function pathOf(base: string, name: string): string {
  return `${base}/${OWN_NAME}/${name}`;
}

/** The folder of a group in which all its processes are, and in which they are stopped and killed together. */
export function homeOf({ unified, freezer, ...others }: Readonly<Record<string, string>>): string | undefined {
  return unified ?? freezer ?? Object.values(others)[0];
}

/** Kills what is in a group, then removes it with the groups below it. A group that is gone is no failure. Pure. */
export function planRemoval(paths: Readonly<Record<string, string>>): Plan {
  const kill = planKill(paths);
  const release = releaseSteps(paths.cpu === paths.unified ? undefined : paths.cpu);
  const remove = [...new Set(Object.values(paths))].map((path): Step => ({ op: 'remove_group', host: true, at: NONE, path }));
  return { ...kill, undo: [...kill.undo, ...release, ...remove] };
}

/**
 * Kills what is in a group and below it, until nothing is left. The step is in `undo`, where a step that has more to do is tried again.
 * Pure.
 */
export function planKill(paths: Readonly<Record<string, string>>): Plan {
  const killed = homeOf(paths);
  return planOf(killed === undefined ? {} : { undo: [{ op: 'kill_group', host: true, at: NONE, path: killed }] });
}

/**
 * The hierarchies to join, the unified one first. One that a limit needs can be used, as the limit's write is planned; another that can't
 * be used is left out.
 */
function chooseMembers({ layout, slots, isOptional = false }: GroupRequest, wanted: ReadonlySet<string>): Member[] {
  const controllers = new Map<Hierarchy, string[]>();
  if (layout.unified) controllers.set(layout.unified, []);
  for (const name of wanted) {
    const hierarchy = layout.controllers.get(name);
    if (hierarchy) controllers.set(hierarchy, [...(controllers.get(hierarchy) ?? []), name]);
  }
  return [...controllers].flatMap(([hierarchy, names]): Member[] => {
    const base = layout.bases.get(hierarchy.mountPoint);
    if (base?.path != null) return [{ hierarchy, base: base.path, slot: slots.take(), controllers: names }];
    // Without the unified tree nothing could be killed for certain; without another hierarchy that no limit needs, less is counted.
    if (hierarchy !== layout.unified || isOptional) return [];
    throw new UnsupportedError('cgroup', base?.reason ?? `nothing is known of ${hierarchy.mountPoint}`, base?.fix ?? null);
  });
}

/** v1's device controller, else a BPF program on the unified tree; where there is neither, the reason. */
function confineDevices(
  { slots, deviceRules, deviceFilter, devicesAbove = null }: GroupRequest,
  v1: Member | undefined,
  unified: Member | undefined,
): { steps: Step[]; reason: string } {
  if (deviceRules === undefined) return { steps: [], reason: 'nothing was asked for' };
  if (v1) return { steps: deviceSteps(deviceWrites(deviceRules, { above: devicesAbove }), v1.slot), reason: '' };
  if (!unified || !deviceFilter) return { steps: [], reason: 'there is neither the v1 device controller nor a unified tree' };
  if (!deviceFilter.available) return { steps: [], reason: deviceFilter.reason ?? '' };
  const program = slots.take();
  return { steps: filterSteps(deviceRules, { group: unified.slot, program }), reason: '' };
}

/** Puts the rules on a group of the unified tree, in place of what was there. */
export function filterSteps(rules: readonly ParsedDeviceRule[], { group, program }: { group: Slot; program: Slot }): Step[] {
  return [
    { op: 'load_device_filter', host: true, out: program, program: compileDeviceFilter(rules) },
    { op: 'attach_device_filter', host: true, group, program },
    { op: 'close', host: true, slot: program },
  ];
}

/** The folder in which a group has its real-time run time, from the beginning or from a later change of its limits. */
function v1CpuFolder({ controllers, bases }: GroupLayout, name: string): string | undefined {
  const cpu = controllers.get('cpu');
  const base = cpu?.version === 1 ? bases.get(cpu.mountPoint)?.path : null;
  return base == null ? undefined : pathOf(base, name);
}

/** Steps that give back real-time run time, so that the next group can have it at once. */
function releaseSteps(folder: string | undefined): Step[] {
  return folder === undefined ? [] : [{ op: 'release_real_time', host: true, at: NONE, path: folder }];
}

/** Bases of the hierarchies of v1 in which a group has no folder: it may come to have one when its limits are changed. */
export function basesBeside({ controllers, bases }: GroupLayout, name: string, paths: Readonly<Record<string, string>>): string[] {
  const own = new Set(Object.values(paths));
  const v1 = [...new Set(controllers.values())].filter(({ version }) => version === 1);
  return v1.flatMap(({ mountPoint }) => bases.get(mountPoint)?.path ?? []).filter((base) => !own.has(pathOf(base, name)));
}

/**
 * A hierarchy of v1 knows nothing of the others: where a group has no folder of its own, its processes are in that of the nearest group
 * above, so that the limits of that one bind them. The step finds that group when the process joins.
 */
export function joinAbove(bases: readonly string[], name: string): Step[] {
  return bases.map((base) => ({ op: 'join_above', path: pathOf(base, name), floor: Buffer.byteLength(`${base}/${OWN_NAME}`) }));
}

/**
 * Steps that make the group's folders. On v2 every group above must hand the controllers on; on v1 a folder is enough, but for cpusets. The folder
 * is made first: until then the groups above are empty, and whoever ends or reaps meanwhile may remove them with what they hand on.
 */
function makeSteps({ hierarchy, base, slot, controllers }: Member, name: string): Step[] {
  const make: Step = { op: 'make_group', host: true, out: slot, at: NONE, path: pathOf(base, name) };
  const above = parents(`${OWN_NAME}/${name}`).map((path) => `${base}/${path}`);
  if (hierarchy.version === 1) {
    const path = pathOf(base, name);
    return hierarchy.controllers.includes('cpuset') ? [make, { op: 'inherit_cpusets', host: true, path, most: above.length + 1 }] : [make];
  }
  if (controllers.length === 0) return [make];
  const bytes = Buffer.from(controllers.map((controller) => `+${controller}`).join(' '));
  return [
    make,
    ...[base, ...above].map((path): Step => ({ op: 'put', host: true, at: NONE, path: `${path}/cgroup.subtree_control`, bytes })),
  ];
}

/** Controllers whose limits programs read in the group that they see, to fit their heaps and threads to them. */
const READ_INSIDE = new Set(['memory', 'cpu']);

/** Steps for the group below. It has the limits of memory and CPU once more, for there its programs look for them. */
function planLeaf(
  { slots }: GroupRequest,
  { unified, writes, name }: { unified: Member; writes: readonly Write[]; name: string },
): { slot: Slot; steps: Step[] } {
  const slot = slots.take();
  const { writes: shown, enable } = shownInside(writes, unified.controllers);
  return {
    slot,
    steps: [
      ...(shown.length === 0
        ? []
        : [{ op: 'put', host: true, at: unified.slot, path: 'cgroup.subtree_control', bytes: Buffer.from(enable) } as const]),
      { op: 'make_group', host: true, out: slot, at: unified.slot, path: name },
      ...shown.map(({ file, value }): Step => ({ op: 'put', host: true, at: slot, path: file, bytes: Buffer.from(value) })),
    ],
  };
}

/**
 * The limits that a group below has once more, and what is written to the `cgroup.subtree_control` above it for that.
 *
 * @param unified the controllers of the unified tree
 */
export function shownInside(writes: readonly Write[], unified: readonly string[]): { writes: readonly Write[]; enable: string } {
  const shown = writes.filter(({ controller }) => READ_INSIDE.has(controller) && unified.includes(controller));
  return { writes: shown, enable: [...new Set(shown.map(({ controller }) => `+${controller}`))].join(' ') };
}

/** The folders between a group of this name and our own, the innermost first. */
export function foldersAbove(path: string, name: string): string[] {
  const base = path.slice(0, path.length - name.length);
  return parents(name)
    .map((above) => `${base}${above}`)
    .reverse();
}

/** 'a/b/c' → 'a', 'a/b'. */
function parents(path: string): string[] {
  const parts = path.split('/');
  return parts.slice(1).map((_, i) => parts.slice(0, i + 1).join('/'));
}

function putStep({ file, value }: Write, member: Member | undefined): Step[] {
  return member ? [{ op: 'put', host: true, at: member.slot, path: file, bytes: Buffer.from(value) }] : [];
}

function memberOf(members: readonly Member[], controller: string): Member | undefined {
  return members.find(({ controllers }) => controllers.includes(controller));
}

/** v1's cpuacct counts ns. On v2 cpu.stat is in every group, in µs; beside v1 it counts as well. */
function cpuClock(
  limitMs: number,
  { members, unified, layout }: { members: readonly Member[]; unified: Member | undefined; layout: GroupLayout },
): CpuClock {
  const cpuacct = memberOf(members, 'cpuacct');
  if (cpuacct) return { limitMs, at: cpuacct.slot, path: 'cpuacct.usage', key: '', unit: 1 };
  if (unified) return { limitMs, at: unified.slot, path: 'cpu.stat', key: 'usage_usec', unit: 1000 };
  const counting = layout.unified ?? layout.controllers.get('cpuacct');
  const base = counting === undefined ? undefined : layout.bases.get(counting.mountPoint);
  const reason = base?.path === null ? base.reason : 'there is neither cpuacct nor the unified tree';
  const fix = base?.path === null ? base.fix : 'Mount cgroup2.';
  throw new UnsupportedError('cpuTimeLimit', `no cgroup counts CPU time: ${reason}`, fix);
}

/**
 * The step of a process that joins a group of v1. A thread that moves itself by `tasks` takes no lock; `cgroup.procs` may wait for a grace period of RCU, 7 ms
 * and more. A process has no other threads yet. Pure.
 */
export function joinStep(group: Slot): Step {
  return { op: 'join_group', group, file: 'tasks' };
}

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { during } from '../native/host-work.js';
import { attempt } from '../native/system-errors.js';
import { planOf, Slots } from '../plan/plan.js';
import { cgroupLayout, type GroupLayout, inspectGroups, isNamespaced, isTop } from './cgroup-base.js';
import type { CgroupMode } from './cgroup-layout.js';
import { deviceFilter } from './device-filter-support.js';
import { type Feature, lacking, refused, works } from './feature.js';
import { treeGroup } from './tree-group.js';

/** A controller of the kernel's (cgroups(7)). */
export interface ControllerFeature extends Feature {
  /** The version of the hierarchy that the controller is in; `null` where it is in none. */
  readonly version: 1 | 2 | null;
}

/** What the groups of the unified tree can do, whatever its controllers. */
export interface UnifiedFeatures {
  /** This process's own group: a folder. `null` where the mount doesn't show it. */
  readonly own: string | null;
  /** Controllers that this process's own group may hand on to groups below. Beside v1 few or none. */
  readonly delegated: readonly string[];
  /** Controllers that this process's own group does hand on. */
  readonly subtreeControl: readonly string[];
  /** cgroup.type: 'domain', 'domain threaded', 'threaded' or 'domain invalid'; `null` at the top, which has none. */
  readonly type: string | null;
  /** A whole tree is killed by one write (Linux 5.14). */
  readonly kill: Feature;
  /** A whole tree is frozen by one write (Linux 5.2). */
  readonly freeze: Feature;
  /** Pressure stall information (PSI). */
  readonly pressure: Feature;
}

/**
 * How this machine's control groups are set up; `available`: this process can make some. In a login session containers may have limits by a scope
 * of the user's systemd all the same.
 */
export interface CgroupFeatures extends Feature {
  readonly mode: CgroupMode;
  /** By the kernel's name; `io` is v1's blkio. */
  readonly controllers: Readonly<Record<string, ControllerFeature>>;
  /** This process is in a cgroup namespace, as in a container of Docker's or Kubernetes'. */
  readonly namespaced: boolean;
  /** Folders below which this process makes groups, by the mount point of their hierarchy. */
  readonly bases: Readonly<Record<string, string>>;
  /** `null` where it is not mounted. */
  readonly unified: UnifiedFeatures | null;
}

/** The controllers that are reported by name, though no machine has them all. */
const KNOWN = [
  ...['cpu', 'cpuacct', 'cpuset', 'memory', 'pids', 'io', 'hugetlb', 'devices', 'freezer'],
  ...['net_cls', 'net_prio', 'perf_event', 'rdma', 'misc'],
];

/** The texts and facts of which the report is made. */
export interface CgroupFacts {
  readonly layout: GroupLayout;
  /** /proc/cgroups */
  readonly kernel: string;
  /** cgroup.controllers at the mount point of the unified tree. */
  readonly top: readonly string[];
  readonly deviceFilter: Feature;
}

/** The report on each controller. Pure. */
export function controllerFeatures(facts: CgroupFacts): Record<string, ControllerFeature> {
  return Object.fromEntries(KNOWN.map((name) => [name, controllerFeature(name, facts)]));
}

function controllerFeature(name: string, facts: CgroupFacts): ControllerFeature {
  const { layout } = facts;
  const hierarchy = layout.controllers.get(name) ?? (name === 'io' ? layout.controllers.get('blkio') : undefined);
  if (hierarchy) {
    const base = layout.bases.get(hierarchy.mountPoint);
    const usable = base?.path != null ? works : lacking(base?.reason ?? `nothing is known of ${hierarchy.mountPoint}`, base?.fix ?? null);
    return { ...usable, version: hierarchy.version };
  }
  const inherent = layout.unified ? inherentFeature(name, facts) : null;
  return inherent ? { ...inherent, version: 2 } : { ...whyMissing(name, facts), version: null };
}

/** What the unified tree does without a controller of that name. */
function inherentFeature(name: string, { layout, deviceFilter }: CgroupFacts): Feature | null {
  if (!['cpuacct', 'freezer', 'perf_event', 'devices'].includes(name)) return null;
  const base = layout.unified ? layout.bases.get(layout.unified.mountPoint) : undefined;
  if (base?.path == null) return lacking(base?.reason ?? 'the unified tree is not known', base?.fix ?? null);
  return name === 'devices' ? deviceFilter : works;
}

function whyMissing(name: string, { kernel, top, layout }: CgroupFacts): Feature {
  const v1Name = name === 'io' ? 'blkio' : name;
  const [, hierarchy, , enabled] =
    kernel
      .split('\n')
      .map((line) => line.split(/\s+/))
      .find(([subsystem]) => subsystem === v1Name) ?? [];
  const systemd = 'run with systemd-run -p Delegate=yes';
  if (enabled === '0') return lacking('it was switched off when the kernel was booted', `Boot without cgroup_disable=${v1Name}.`);
  const base = layout.unified ? layout.bases.get(layout.unified.mountPoint) : undefined;
  // where no group can be made, a controller that is handed on would be of no use either
  if (top.includes(name) && base?.path === null) return lacking(base.reason, base.fix);
  if (layout.withheld?.controllers.includes(name)) return lacking(layout.withheld.reason, layout.withheld.fix);
  if (top.includes(name))
    return lacking(
      "the groups above this process's own do not hand it on",
      `Write +${name} to cgroup.subtree_control of each of them, or ${systemd}.`,
    );
  if (enabled === undefined && !layout.unified) return lacking('this kernel was built without it');
  if (name.startsWith('net_') && layout.mode === 'v2')
    return lacking(
      'it is of v1 alone: on v2 iptables and nftables match the path of a group',
      `Mount it: mount -t cgroup -o ${name} none FOLDER.`,
    );
  if (enabled === undefined) return lacking('this kernel was built without it, or hides it from this namespace');
  if (hierarchy === '0') return lacking('it is in no hierarchy that is mounted', `Mount it: mount -t cgroup -o ${v1Name} none FOLDER.`);
  return lacking('its hierarchy is not mounted where this process could see it', `Mount it: mount -t cgroup -o ${v1Name} none FOLDER.`);
}

/** The report where nothing of ours runs, or nothing can be looked at. */
export function noGroups(refusal: Feature): CgroupFeatures {
  const controllers = Object.fromEntries(KNOWN.map((name) => [name, { ...refusal, version: null }]));
  return { ...refusal, mode: modeOr('v1'), controllers, namespaced: false, bases: {}, unified: null };
}

function modeOr(otherwise: CgroupMode): CgroupMode {
  try {
    return cgroupLayout().mode;
  } catch {
    // not Linux, or /proc is hidden: the report says that nothing is available
    return otherwise;
  }
}

/**
 * Reports on control groups. Where Node is in the top group an empty group is made for a moment, to see what is in it;
 * nothing else is changed.
 */
export async function cgroupFeatures(): Promise<CgroupFeatures> {
  const layout = inspectGroups();
  const { unified } = layout;
  const controllers = controllerFeatures({
    layout,
    kernel: readFileSync('/proc/cgroups', 'utf8'),
    top: unified ? words(join(unified.mountPoint, 'cgroup.controllers')) : [],
    deviceFilter: await deviceFilter().catch(refused),
  });
  const bases = [...layout.bases].flatMap(([mountPoint, { path }]) => (path === null ? [] : [[mountPoint, path] as const]));
  return {
    ...groupsAt(layout),
    mode: layout.mode,
    controllers,
    namespaced: isNamespaced(),
    bases: Object.fromEntries(bases),
    unified: unified ? await unifiedFeatures(layout, unified) : null,
  };
}

/** Whether groups can be made: the unified tree must have a place for them or, without that tree, any hierarchy. */
function groupsAt({ unified, bases }: GroupLayout): Feature {
  const deciding = unified ? [bases.get(unified.mountPoint)] : [...bases.values()];
  if (deciding.some((base) => base?.path != null)) return works;
  const [refusal] = deciding;
  if (refusal?.path !== null) return lacking('no cgroup hierarchy is mounted', 'Mount one: mount -t cgroup2 none /sys/fs/cgroup.');
  return lacking(refusal.reason, refusal.fix);
}

async function unifiedFeatures(layout: GroupLayout, unified: NonNullable<GroupLayout['unified']>): Promise<UnifiedFeatures> {
  const own = unified.ownPath;
  const top = own === null || isTop(own);
  const files = top ? await filesOfNew(layout) : new Set(readdirSync(own));
  const has = (file: string, kernel: string): Feature => {
    if (files === null) return lacking('this process can make no group to look into');
    return files.has(file) ? works : lacking(`the kernel has no ${file}`, `Linux ${kernel} has.`);
  };
  return {
    own,
    delegated: unified.controllers,
    subtreeControl: own === null ? [] : words(join(own, 'cgroup.subtree_control')),
    type: top ? null : readFileSync(join(own, 'cgroup.type'), 'utf8').trim(),
    kill: has('cgroup.kill', '5.14'),
    freeze: has('cgroup.freeze', '5.2'),
    pressure: existsSync('/proc/pressure') ? works : lacking('the kernel was built or booted without PSI', 'Boot with psi=1.'),
  };
}

/** The files of a group that is made only to see them; `null` where none can be made. */
async function filesOfNew(layout: GroupLayout): Promise<Set<string> | null> {
  if (layout.unified && layout.bases.get(layout.unified.mountPoint)?.path == null) return null;
  const group = await treeGroup(new Slots());
  if (!group) return null;
  const { path, prepare, undo } = group;
  return during(planOf({ prepare, undo }), new Map(), async () => new Set(attempt(`list ${path}`, () => readdirSync(path))));
}

function words(file: string): string[] {
  return readFileSync(file, 'utf8')
    .split(/\s+/)
    .filter((word) => word !== '');
}

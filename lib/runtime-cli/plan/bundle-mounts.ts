import { posix } from 'node:path';
import { tidied } from '../../container/options/tidied.js';
import { groundOf, type Place } from '../../container/plan/ground.js';
import { invalidOption } from '../../errors.js';
import { type MountOptions, parseMountOptions, unapplied } from '../../oci-config/bundle-mount-options.js';
import type { BundleDevice, BundleMount } from '../../oci-config/config-schema.js';
import { CREATE, O_PATH, PROPAGATION } from '../../plan/constants.js';
import { ANYWHERE, NONE, type Slots } from '../../plan/plan.js';
import { MOUNT_ATTR } from '../../plan/recipe.js';
import type { Slot, Step } from '../../plan/steps.js';
import { allDevices, type DeviceMaker, inDev, isInDev, isMade, placeDevices } from './bundle-devices.js';
import type { GroupFolder } from './bundle-groups.js';
import { labelOptions } from './label-steps.js';
import { type OutsideNode, outsideNodes } from './outside-devices.js';
import { type BoundMount, takeMount } from './take-mount.js';

/** What is known of the host about the mounts. */
export interface MountFacts {
  /** Sources of binds by the mount's number: absolute, and whether each is a file. */
  readonly sources: ReadonlyMap<number, { readonly path: string; readonly isFile: boolean }>;
  readonly groups: readonly GroupFolder[];
  readonly mode: 'v1' | 'v2' | 'hybrid';
  /** The container has a cgroup namespace of its own, in which its groups are the top. */
  readonly hasCgroupNamespace: boolean;
  readonly devices: readonly BundleDevice[];
  /** The pid namespace that is joined; NONE: the container's own, or that of the runtime, in which the mounts are made. */
  readonly pidns: Slot;
  /** Mounts of proc that were made in that namespace, by the mount's number: on a kernel that makes none from outside (before Linux 6.17). */
  readonly procs: ReadonlyMap<number, number>;
  /** SELinux's label of new file systems. */
  readonly label: string | null;
  /**
   * Binds are taken of the host before anything is mounted: where the process can go to their sources no more, or they would be no peers of these. Else each is
   * taken in its turn, as /proc/self/mountinfo has mounts in the order in which they were made (Linux 6.8).
   */
  readonly takesBindsFirst: boolean;
  /** The process's own mount namespace, where it has no rights over the host's folders itself, and the shim takes binds for it; NONE: it does so. */
  readonly ownMounts: Slot;
  /** Binds with maps of ids, by the mount's number. */
  readonly mapped: ReadonlyMap<number, MappedMount>;
}

/** A mount whose files show other owners. */
export interface MappedMount {
  /** A descriptor of a user namespace with the maps. */
  readonly users: number;
  /** The mounts below it, too. */
  readonly recursive: boolean;
}

/** The mounts of a bundle, and the devices. */
export interface BundleMounts {
  /** Steps that make devices before a user namespace is entered. */
  readonly outside: readonly Step[];
  /** Steps that take what is bound of the host, while its paths can be seen. */
  readonly open: readonly Step[];
  /** Steps that mount in the root, and make devices. */
  readonly attach: readonly Step[];
  /** Steps that make /dev read-only, when all in it has been made. */
  readonly finish: readonly Step[];
  /** The root, and all mounts in their order. */
  readonly places: readonly Place[];
  /** What is mounted last at /proc, of whatever type; NONE where config.json has nothing there. */
  readonly proc: Slot;
  /** The mount at /dev, or the root where there is none, and the path of the null device in it. */
  readonly nullDevice: { readonly root: Slot; readonly path: string };
}

/** Plans the mounts in their order, which is config.json's: each lies on those before it. Pure. */
export function planBundleMounts(mounts: readonly BundleMount[], root: Slot, slots: Slots, facts: MountFacts & DeviceMaker): BundleMounts {
  const [open, attach, last]: [Step[], Step[], Step[]] = [[], [], []];
  const nodes: OutsideNode[] = [];
  const places: Place[] = [{ path: '/', mount: root }];
  const devices = facts.devices.map((device) => ({ ...device, path: tidied(posix.join('/', device.path)) })).filter(isMade);
  let proc: Slot = NONE;
  let nullDevice = { root, path: 'dev/null' };
  for (const [index, mount] of mounts.entries()) {
    // a destination that is not absolute is taken as if it were, as runc does, though the spec deprecates it
    const target = tidied(posix.join('/', mount.destination));
    const options = parseMountOptions(mount.options);
    const type = kindOf(mount, options);
    const made = facts.procs.get(index);
    const out = made === undefined ? slots.take() : slots.give(made);
    const source = facts.sources.get(index);
    const on = groundOf(places, target);
    if (options.remount) {
      attach.push({ op: 'open_in_root', out, root, path: target, flags: O_PATH }, ...attributeSteps(out, options, { isNew: false }));
      attach.push({ op: 'close', slot: out });
      continue;
    }
    // as in runc: a link could lead what is masked in there astray (CVE-2019-19921, CVE-2023-27561)
    const noLink = type === 'proc' || type === 'sysfs' ? CREATE.noLink : 0;
    const create = (source?.isFile ? CREATE.file : CREATE.folder) | noLink;
    const place: Step = { op: 'attach', mount: out, root, path: target, create, ...on };
    if (type === 'bind') {
      const bind = { out, path: source?.path ?? '', recursive: options.bind === 'rbind' ? 1 : 0 } as const;
      const mapped = facts.mapped.get(index);
      (facts.takesBindsFirst || mapped !== undefined ? open : attach).push(
        ...bindSteps({ ...bind, ns: facts.ownMounts }, options, mapped, slots),
      );
      attach.push(place);
    } else if (type === 'cgroup') {
      attach.push(...cgroupSteps({ out, place, options }, slots, facts));
    } else if (type === 'tmpfs') {
      // places for mounts in /dev are made there while that can be done
      const isLater = target === '/dev' && (options.set & MOUNT_ATTR.RDONLY) !== 0;
      const given = isLater ? { ...options, set: options.set & ~MOUNT_ATTR.RDONLY } : options;
      if (isLater) last.push(...attributeSteps(out, options, { isNew: false }));
      attach.push(...tmpfsSteps({ out, root, target, options: filesystemOptions(mount, options, facts) }, given), place);
    } else if (made !== undefined) {
      // that one has more attributes than are asked for
      attach.push(...attributeSteps(out, { ...options, clear: options.clear | (JOINED_PROC & ~options.set) }, { isNew: false }), place);
    } else {
      const isJoined = type === 'proc' && facts.pidns !== NONE;
      const joined = { op: 'proc', out, pidns: facts.pidns, attributes: options.set } as const;
      // in a user namespace of the container's nobody has rights over the pid namespace of others
      const isShims = isJoined && facts.ownMounts !== NONE;
      if (isShims) open.push({ ...joined, host: true });
      else if (isJoined) attach.push(joined);
      else attach.push({ op: 'filesystem', out, type, options: filesystemOptions(mount, options, facts), attributes: options.set });
      attach.push(...attributeSteps(out, options, { isNew: true }), place);
    }
    if (target === '/proc') proc = out;
    if (target === '/dev') nullDevice = { root: out, path: 'null' };
    if (target === '/dev' && type !== 'bind') {
      const isReadOnly = type !== 'tmpfs' && (options.set & MOUNT_ATTR.RDONLY) !== 0;
      const own = placeDevices(
        allDevices(devices.filter(isInDev)).map((named) => ({
          ...named,
          root: out,
          path: posix.relative('/dev', named.device.path),
          ground: ANYWHERE,
        })),
        slots,
        facts,
      );
      nodes.push(...own.outside);
      open.push(...own.open);
      attach.push(...inDev(out, own.attach, { isReadOnly }));
    }
    places.push({ path: target, mount: out, ...(type === 'tmpfs' ? { own: true } : {}) });
  }
  const elsewhere = devices.filter((device) => !isInDev(device));
  const placed = elsewhere.map((device) => ({ device, isDefault: false, root, path: device.path, ground: groundOf(places, device.path) }));
  const others = placeDevices(placed, slots, facts);
  return {
    outside: outsideNodes([...nodes, ...others.outside], slots, labelOptions(facts.label, 'tmpfs', [])),
    open: [...open, ...others.open],
    attach: [...attach, ...others.attach],
    finish: last,
    places,
    proc,
    nullDevice,
  };
}

/**
 * The owners of a mount are mapped by whoever has the rights over its file system, which nobody has in a user namespace of the container's: so the shim does all
 * of this, in the host's own mount namespace. There the bind would be a peer of what it shows, and it becomes a slave, as all others are.
 */
function bindSteps(bind: BoundMount, options: MountOptions, mapped: MappedMount | undefined, slots: Slots): Step[] {
  const { out, path, recursive } = bind;
  const attributes = attributeSteps(out, options, { isNew: false });
  if (mapped === undefined) return [takeMount(bind), ...attributes];
  return [
    { op: 'clone_mount', host: true, out, at: NONE, path, recursive },
    { op: 'set_mount', host: true, mount: out, recursive: 1, set: 0, clear: 0, propagation: PROPAGATION.slave },
    { op: 'idmap', host: true, mount: out, users: slots.give(mapped.users), path, recursive: mapped.recursive ? 1 : 0 },
    ...attributes.map((step) => ({ ...step, host: true as const })),
  ];
}

/** What lib/container/start/joined-proc.ts gives its mount. */
const JOINED_PROC = MOUNT_ATTR.NOSUID | MOUNT_ATTR.NODEV | MOUNT_ATTR.NOEXEC;

export function kindOf({ type, destination }: BundleMount, { bind }: MountOptions): string {
  if (bind !== 'no' || type === 'bind' || type === 'none') return 'bind';
  if (type === undefined) throw invalidOption(`the mount on ${destination}`, 'needs a type');
  if (type === 'cgroup2') return 'cgroup';
  return type;
}

/** fsconfig(2) takes the source of a file system as an option too. That of proc, tmpfs and others of the kernel's own is a name alone, for /proc/mounts. */
function filesystemOptions({ source, type = '' }: BundleMount, { data, superblock }: MountOptions, { label }: MountFacts): string[] {
  const named = source ? [`source=${source}`] : [];
  return [...named, ...superblock.filter((word) => !unapplied.has(word)), ...data, ...labelOptions(label, type, data)];
}

/**
 * A tmpfs has the mode of the folder that it covers, unless an option says another one, as runc's has; with tmpcopyup it has all that is in there too, and
 * can be written to so long.
 */
function tmpfsSteps(
  { out, root, target, options }: { readonly out: Slot; readonly root: Slot; readonly target: string; readonly options: readonly string[] },
  mount: MountOptions,
): Step[] {
  const later = mount.set & MOUNT_ATTR.RDONLY;
  const hasMode = options.some((option) => option.startsWith('mode='));
  const attributes = mount.set & ~later;
  return [
    hasMode
      ? { op: 'filesystem', out, type: 'tmpfs', options, attributes }
      : { op: 'covering_tmpfs', out, root, path: target, options, attributes },
    ...(mount.copyUp ? [{ op: 'copy_covered', root, path: target, to: out } as const] : []),
    ...(later === 0 ? [] : [{ op: 'set_mount', mount: out, recursive: 0, set: later, clear: 0, propagation: 0 } as const]),
    ...attributeSteps(out, mount, { isNew: true }),
  ];
}

type SetMount = Extract<Step, { readonly op: 'set_mount' }>;

/** A new mount has its attributes from the beginning; those that are set below it, and propagation, come after. */
function attributeSteps(mount: Slot, options: MountOptions, { isNew }: { readonly isNew: boolean }): SetMount[] {
  const { set, clear, setBelow, clearBelow, propagation } = options;
  const change = (recursive: 0 | 1, on: number, off: number, flag: number): SetMount => ({
    op: 'set_mount',
    mount,
    recursive,
    set: on,
    clear: off,
    propagation: flag,
  });
  return [
    ...(isNew || (set | clear) === 0 ? [] : [change(0, set, clear, 0)]),
    ...((setBelow | clearBelow) === 0 ? [] : [change(1, setBelow, clearBelow, 0)]),
    ...propagation.map(({ flag, recursive }) => change(recursive ? 1 : 0, 0, 0, flag)),
  ];
}

/**
 * A mount of type cgroup: on pure v2 the unified tree, elsewhere a folder for each hierarchy as on the host. Without a cgroup namespace each shows the
 * container's own group alone.
 */
function cgroupSteps(
  { out, place, options }: { readonly out: Slot; readonly place: Step; readonly options: MountOptions },
  slots: Slots,
  { groups, mode, hasCgroupNamespace, label }: MountFacts,
): Step[] {
  // the runtime's own group is not the container's to change: in there are those of others too
  const optionsOf = (group: GroupFolder | undefined): MountOptions =>
    group?.isRuntimes ? { ...options, set: options.set | MOUNT_ATTR.RDONLY, clear: options.clear & ~MOUNT_ATTR.RDONLY } : options;
  if (mode === 'v2') {
    const own = groups.find(({ version }) => version === 2);
    const attributes = optionsOf(own).set;
    if (hasCgroupNamespace) return [{ op: 'filesystem', out, type: 'cgroup2', options: [], attributes }, place];
    return [
      { op: 'clone_mount', out, at: NONE, path: own?.path ?? '', recursive: 0 },
      ...attributeSteps(out, optionsOf(own), { isNew: false }),
      place,
    ];
  }
  const writable = options.set & ~MOUNT_ATTR.RDONLY;
  const steps: Step[] = [
    { op: 'filesystem', out, type: 'tmpfs', options: ['mode=755', ...labelOptions(label, 'tmpfs', [])], attributes: writable },
    place,
  ];
  for (const group of groups) {
    const { version, controllers, path, mountPoint } = group;
    if (version === 2) continue;
    const own = optionsOf(group);
    const name = posix.basename(mountPoint);
    const mount = slots.take();
    if (hasCgroupNamespace) steps.push({ op: 'filesystem', out: mount, type: 'cgroup', options: [...controllers], attributes: own.set });
    else steps.push({ op: 'clone_mount', out: mount, at: NONE, path, recursive: 0 }, ...attributeSteps(mount, own, { isNew: false }));
    steps.push({ op: 'attach', mount, root: out, path: name, create: CREATE.folder | CREATE.noLink, ...ANYWHERE });
    if (name.includes(',')) for (const link of name.split(',')) steps.push({ op: 'symlink', root: out, path: link, target: name });
  }
  if (writable !== options.set) steps.push({ op: 'set_mount', mount: out, recursive: 0, set: MOUNT_ATTR.RDONLY, clear: 0, propagation: 0 });
  return steps;
}

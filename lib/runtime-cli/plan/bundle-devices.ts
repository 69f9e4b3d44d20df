import type { BundleDevice } from '../../oci-config/config-schema.js';
import { CLONE, CREATE, PROPAGATION, S_IFBLK, S_IFCHR, S_IFIFO } from '../../plan/constants.js';
import { type Ground, NONE, type Slots } from '../../plan/plan.js';
import { MOUNT_ATTR } from '../../plan/recipe.js';
import type { Slot, Step } from '../../plan/steps.js';
import { idOutside } from '../../plan/user-maps.js';
import type { UserMaps } from '../config/bundle-user-maps.js';
import { takeMount } from './take-mount.js';

/** config-linux.md, "Default Devices". */
const defaultDevices: readonly BundleDevice[] = [
  ['null', 1, 3],
  ['zero', 1, 5],
  ['full', 1, 7],
  ['random', 1, 8],
  ['urandom', 1, 9],
  ['tty', 5, 0],
].map(([name, major, minor]) => ({
  ...{ type: 'c', path: `/dev/${name}`, major: Number(major), minor: Number(minor) },
  ...{ fileMode: undefined, uid: undefined, gid: undefined },
}));

const links = [
  ['fd', '/proc/self/fd'],
  ['stdin', '/proc/self/fd/0'],
  ['stdout', '/proc/self/fd/1'],
  ['stderr', '/proc/self/fd/2'],
  ['ptmx', 'pts/ptmx'],
] as const;

/** What leads to the terminals of the container's own devpts is a link, whatever the host has: podman names that as a device. */
export function isMade({ path }: BundleDevice): boolean {
  return path !== '/dev/ptmx';
}

export function isInDev({ path }: BundleDevice): boolean {
  return path.startsWith('/dev/');
}

/** A device of config.json takes the place of a default one. */
export function allDevices(devices: readonly BundleDevice[]): BundleDevice[] {
  const own = new Set(devices.map(({ path }) => path));
  return [...defaultDevices.filter(({ path }) => !own.has(path)), ...devices];
}

export interface Devices {
  readonly outside: readonly OutsideNode[];
  readonly open: readonly Step[];
  readonly attach: readonly Step[];
}

/** A device, and where its node is. */
export interface PlacedDevice {
  readonly device: BundleDevice;
  readonly root: Slot;
  readonly path: string;
  readonly ground: Ground;
}

/** A node that is made outside of the container's user namespace, with its owner there, and the slot of the mount that shows it. */
export interface OutsideNode {
  readonly device: BundleDevice;
  readonly mount: Slot;
}

/** Who makes devices. */
export interface DeviceMaker {
  /** The runtime may: it is root of the machine's first user namespace. */
  readonly makesDevices: boolean;
  /** The ids of a user namespace of the container's, in which nobody makes devices; `null`: it has none. */
  readonly maps: UserMaps | null;
  /** As `ns` of {@link takeMount}. */
  readonly ownMounts: Slot;
}

/**
 * Devices of config.json are made, in a user namespace outside of it. The default ones are bound there from the host's, and so are all of them where the runtime
 * makes none, or one whose owner has no id outside.
 */
export function placeDevices(placed: readonly PlacedDevice[], slots: Slots, { makesDevices, maps, ownMounts: ns }: DeviceMaker): Devices {
  if (makesDevices && maps === null) return { outside: [], open: [], attach: placed.map(nodeStep) };
  const all = placed.map((one) => ({
    ...one,
    mount: slots.take(),
    outside: makesDevices && maps !== null ? ownedOutside(one.device, maps) : null,
  }));
  return {
    outside: all.flatMap(({ outside, mount }) => (outside === null ? [] : [{ device: outside, mount }])),
    open: all.flatMap(({ device, outside, mount }) =>
      outside === null ? [takeMount({ out: mount, path: device.path, recursive: 0, ns })] : [],
    ),
    attach: all.map(({ mount, root, path, ground }): Step => ({ op: 'attach', mount, root, path, create: CREATE.file, ...ground })),
  };
}

/** A device of config.json with the owner that it has outside of a user namespace; `null` for default ones, and where an id has none there. */
function ownedOutside(device: BundleDevice, maps: UserMaps): BundleDevice | null {
  if (defaultDevices.includes(device)) return null;
  const [uid, gid] = [idOutside(maps.uid, device.uid ?? 0), idOutside(maps.gid, device.gid ?? 0)];
  return uid === null || gid === null ? null : { ...device, uid, gid };
}

/** Any folder that every host has, and that no step needs meanwhile. */
const STAGING = '/dev';

/**
 * Makes nodes before a user namespace is entered, in a file system of the host's: those of one that belongs to a user namespace open nothing. It is mounted for
 * the moment, where nobody else sees it, as a mount can be cloned only where it is attached before Linux 6.15.
 */
export function outsideNodes(nodes: readonly OutsideNode[], slots: Slots, tmpfsOptions: readonly string[]): Step[] {
  if (nodes.length === 0) return [];
  const staging = slots.take();
  return [
    { op: 'unshare', flags: CLONE.mnt },
    { op: 'set_propagation', path: '/', propagation: PROPAGATION.slave },
    {
      ...{ op: 'filesystem', out: staging, type: 'tmpfs', options: ['mode=700', ...tmpfsOptions] },
      attributes: MOUNT_ATTR.NOSUID | MOUNT_ATTR.NOEXEC,
    },
    { op: 'attach_at', mount: staging, at: NONE, path: STAGING },
    ...nodes.flatMap(({ device, mount }, index): Step[] => {
      const path = String(index);
      return [
        { op: 'mknod', root: staging, path, ...nodeOf(device) },
        { op: 'clone_mount', out: mount, at: staging, path, recursive: 0 },
      ];
    }),
    { op: 'detach', at: NONE, path: STAGING },
    { op: 'close', slot: staging },
  ];
}

/** Devices and links in a new /dev. */
export function inDev(dev: Slot, devices: readonly Step[], { isReadOnly }: { readonly isReadOnly: boolean }): Step[] {
  const change = (set: number, clear: number): Step => ({ op: 'set_mount', mount: dev, recursive: 0, set, clear, propagation: 0 });
  return [
    ...(isReadOnly ? [change(0, MOUNT_ATTR.RDONLY)] : []),
    ...devices,
    ...links.map(([path, target]): Step => ({ op: 'symlink', root: dev, path, target })),
    ...(isReadOnly ? [change(MOUNT_ATTR.RDONLY, 0)] : []),
  ];
}

function nodeStep({ device, root, path, ground }: PlacedDevice): Step {
  return { op: 'mknod_on', root, path, ...nodeOf(device), ...ground };
}

function nodeOf({ type, major = 0, minor = 0, fileMode = 0o666, uid = 0, gid = 0 }: BundleDevice) {
  const kind = type === 'p' ? S_IFIFO : type === 'b' ? S_IFBLK : S_IFCHR;
  return { mode: kind | fileMode, major, minor, uid, gid };
}

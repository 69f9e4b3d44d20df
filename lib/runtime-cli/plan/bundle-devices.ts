import type { BundleDevice } from '../../oci-config/config-schema.js';
import { CREATE, S_IFBLK, S_IFCHR, S_IFIFO } from '../../plan/constants.js';
import type { Ground, Slots } from '../../plan/plan.js';
import { MOUNT_ATTR } from '../../plan/recipe.js';
import type { Slot, Step } from '../../plan/steps.js';
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

export function madeDevices(placed: readonly PlacedDevice[]): Devices {
  return { open: [], attach: placed.map(nodeStep) };
}

/** Nobody makes devices in a user namespace: there the host's, of the same path, are bound, as runc does. @param ns as of {@link takeMount} */
export function boundDevices(placed: readonly PlacedDevice[], slots: Slots, ns: Slot): Devices {
  const all = placed.map((one) => ({ ...one, mount: slots.take() }));
  return {
    open: all.map(({ device, mount }) => takeMount({ out: mount, path: device.path, recursive: 0, ns })),
    attach: all.map(({ mount, root, path, ground }): Step => ({ op: 'attach', mount, root, path, create: CREATE.file, ...ground })),
  };
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
  const { type, major = 0, minor = 0, fileMode = 0o666, uid = 0, gid = 0 } = device;
  const kind = type === 'p' ? S_IFIFO : type === 'b' ? S_IFBLK : S_IFCHR;
  return { op: 'mknod_on', root, path, mode: kind | fileMode, major, minor, uid, gid, ...ground };
}

import type { BundleDevice } from '../../oci-config/config-schema.js';
import { CREATE } from '../../plan/constants.js';
import type { Ground, Slots } from '../../plan/plan.js';
import { MOUNT_ATTR } from '../../plan/recipe.js';
import type { Slot, Step } from '../../plan/steps.js';
import type { UserMaps } from '../config/bundle-user-maps.js';
import { nodeOf } from './device-node.js';
import { type OutsideNode, ownedOutside } from './outside-devices.js';
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

/** A device, and whose it is. */
export interface NamedDevice {
  readonly device: BundleDevice;
  /** It is there by itself: config.json does not name it. */
  readonly isDefault: boolean;
}

/** A device of config.json takes the place of a default one. */
export function allDevices(devices: readonly BundleDevice[]): NamedDevice[] {
  const own = new Set(devices.map(({ path }) => path));
  return [
    ...defaultDevices.filter(({ path }) => !own.has(path)).map((device) => ({ device, isDefault: true })),
    ...devices.map((device) => ({ device, isDefault: false })),
  ];
}

export interface Devices {
  readonly outside: readonly OutsideNode[];
  readonly open: readonly Step[];
  readonly attach: readonly Step[];
}

/** A device, and where its node is. */
export interface PlacedDevice extends NamedDevice {
  readonly root: Slot;
  readonly path: string;
  readonly ground: Ground;
}

/** Who makes devices. */
export interface DeviceMaker {
  /** The runtime may: it is root of the initial user namespace, and where there are `maps` has CAP_MKNOD. */
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
    outside: makesDevices && maps !== null && !one.isDefault ? ownedOutside(one.device, maps) : null,
  }));
  const bound = all.filter(({ outside }) => outside === null);
  return {
    outside: all.flatMap(({ outside, mount }) => (outside === null ? [] : [{ device: outside, mount }])),
    open: [
      ...bound.map(({ device, mount }) => takeMount({ out: mount, path: device.path, recursive: 0, ns })),
      ...bound.map(({ mount }) => onlyToBeOpened(mount)),
    ],
    attach: all.map(({ mount, root, path, ground }): Step => ({ op: 'attach', mount, root, path, create: CREATE.file, ...ground })),
  };
}

/** A program opens the host's node, as it does one of its own; it maps nothing of that for execution. */
function onlyToBeOpened(mount: Slot): Step {
  return { op: 'set_mount', mount, recursive: 0, set: MOUNT_ATTR.NOSUID | MOUNT_ATTR.NOEXEC, clear: 0, propagation: 0 };
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

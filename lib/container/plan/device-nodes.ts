import { CREATE, S_IFBLK, S_IFCHR } from '../../plan/constants.js';
import type { Slot, Step } from '../../plan/steps.js';
import type { Device } from '../../security/paths.js';
import { groundOf, type Place } from './ground.js';
import { DEV, pathIn } from './mount-table.js';
import type { HeadInput, PlanInput } from './plan-input.js';

type Mknod = Extract<Step, { op: 'mknod' }>;

/**
 * Whether device rules may refuse a node: a group of the caller's may have such rules, and they bind the container's process during set-up
 * too.
 */
export function mayBeRefused({ cgroup, cgroupParent }: HeadInput['options']): boolean {
  return cgroup !== null || cgroupParent !== null;
}

/** Steps for the devices of a row of the table, in its mount. */
export function nodesIn(
  { folder, mount }: { folder: string; mount: Slot },
  devices: readonly Device[],
  options: HeadInput['options'],
): Step[] {
  const nodes = devices.map((device) => node(mount, pathIn(folder, device.path), device));
  return mayBeRefused(options) ? byShim(mount, nodes) : nodes;
}

/** Steps for the caller's devices, all of them in /dev at first. Their access may lack 'm'. */
export function callersNodes(devices: PlanInput['devices'], dev: Slot): Step[] {
  const nameOf = (device: Device, index: number): string => (inDev(device) ? pathIn(DEV, device.path) : temporary(index));
  return byShim(
    dev,
    devices.map((device, index) => node(dev, nameOf(device, index), device)),
  );
}

/** Steps for the caller's devices that go outside /dev. The root is nodev there, so a node of our /dev is bound there. */
export function bindDevices(
  { slots, devices }: Pick<PlanInput, 'slots' | 'devices'>,
  { dev, root, places }: { dev: Slot; root: Slot; places: readonly Place[] },
): Step[] {
  return devices.flatMap((device, index): Step[] => {
    if (inDev(device)) return [];
    const slot = slots.take();
    return [
      { op: 'clone_mount', out: slot, at: dev, path: temporary(index), recursive: 0 },
      { op: 'attach', mount: slot, root, path: device.path, create: CREATE.file, ...groundOf(places, device.path) },
      { op: 'unlink', at: dev, path: temporary(index) },
    ];
  });
}

/** The device controller refuses mknod(2) to the container's process, which is in its group already: so the shim makes the nodes. */
function byShim(mount: Slot, nodes: readonly Mknod[]): Step[] {
  if (nodes.length === 0) return [];
  return [
    { op: 'give', slot: mount },
    ...nodes.map((step): Step => ({ ...step, host: true })),
    // a shim that closed the mount last would wait for the file system to go, with all that the program has put there
    { op: 'close', host: true, slot: mount },
  ];
}

function node(root: Slot, path: string, { type, major, minor, mode }: Device): Mknod {
  const format = type === 'b' ? S_IFBLK : S_IFCHR;
  return { op: 'mknod', root, path, mode: format | mode, major, minor, uid: 0, gid: 0 };
}

function inDev({ path }: Device): boolean {
  return path.startsWith(`${DEV}/`);
}

function temporary(index: number): string {
  return `.device${index}`;
}

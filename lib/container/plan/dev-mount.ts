import { CREATE, O_PATH, S_IFBLK, S_IFCHR } from '../../plan/constants.js';
import { ANYWHERE, type Ground, NONE } from '../../plan/plan.js';
import { MOUNT_ATTR } from '../../plan/recipe.js';
import type { Slot, Step } from '../../plan/steps.js';
import { type Device, defaultDeviceLinks, defaultDevices } from '../../security/paths.js';
import { groundOf, type Place } from './ground.js';
import type { ExtraDevice, HeadInput } from './plan-input.js';

const { NOSUID, NODEV, NOEXEC } = MOUNT_ATTR;
/** Files cost memory by their names too, and time when the file system goes. */
const NAMES = 'nr_inodes=16384';
/** Refuses a link that the image has there. */
const FOLDER = CREATE.folder | CREATE.noLink;

export interface DevPlan {
  /** They read nothing of the host. */
  readonly make: readonly Step[];
  readonly mount: Slot;
  readonly nullDevice: Slot;
  /** When there is a root, the first of `places`. */
  attach(root: Slot, places: readonly Place[]): Step[];
}

/** Steps for /dev: a tmpfs with the few devices of security.md, terminals, shared memory and message queues of its own. */
export function planDev({ slots, options, devices }: HeadInput): DevPlan {
  const [dev, pts, shm, queues, nullDevice] = [slots.take(), slots.take(), slots.take(), slots.take(), slots.take()];
  const memory = sharedMemory(shm, options.namespaces.ipc === 'host');
  return {
    mount: dev,
    nullDevice,
    make: [
      { op: 'filesystem', out: dev, type: 'tmpfs', options: ['mode=755', 'size=65536k', NAMES], attributes: NOSUID },
      ...(mayBeRefused(options) ? byShim(dev, defaultDevices) : defaultDevices.map((device) => node(dev, device))),
      ...defaultDeviceLinks.map(({ path, target }): Step => ({ op: 'symlink', root: dev, path: below(path), target })),
      { op: 'open_in_root', out: nullDevice, root: dev, path: 'null', flags: O_PATH },
      {
        op: 'filesystem',
        out: pts,
        type: 'devpts',
        options: ['newinstance', 'ptmxmode=0666', 'mode=0620', 'gid=5'],
        attributes: NOSUID | NOEXEC,
      },
      ...memory.make,
      { op: 'filesystem', out: queues, type: 'mqueue', options: [], attributes: NOSUID | NODEV | NOEXEC },
    ],
    attach: (root, places) => [
      ...planExtra(devices, dev),
      ...memory.open,
      { op: 'attach', mount: dev, root, path: '/dev', create: FOLDER, ...ANYWHERE },
      { op: 'attach', mount: pts, root: dev, path: 'pts', create: FOLDER, ...ANYWHERE },
      { op: 'attach', mount: shm, root: dev, path: 'shm', create: FOLDER, ...ANYWHERE },
      { op: 'attach', mount: queues, root: dev, path: 'mqueue', create: FOLDER, ...ANYWHERE },
      ...devices.flatMap((device, index) =>
        inDev(device) ? [] : bindElsewhere(device, index, { dev, root, slot: slots.take(), ground: groundOf(places, device.path) }),
      ),
    ],
  };
}

function inDev({ path }: Device): boolean {
  return path.startsWith('/dev/');
}

/** Devices of the host. Their access may lack 'm'. */
function planExtra(devices: readonly ExtraDevice[], dev: Slot): Step[] {
  if (devices.length === 0) return [];
  const place = (device: ExtraDevice, index: number): Device => (inDev(device) ? device : { ...device, path: temporary(index) });
  return byShim(dev, devices.map(place));
}

/** A group of the caller's may have device rules, which bind the container's process while it is set up too. */
export function mayBeRefused({ cgroup, cgroupParent }: HeadInput['options']): boolean {
  return cgroup !== null || cgroupParent !== null;
}

/** The device controller refuses mknod(2) to the container's process, which is in its group already: so the shim makes the nodes. */
function byShim(dev: Slot, devices: readonly Device[]): Step[] {
  return [
    { op: 'give', slot: dev },
    ...devices.map((device): Step => ({ ...node(dev, device), host: true })),
    // else the shim would wait for the file system to go, with all that the program has put there
    { op: 'close', host: true, slot: dev },
  ];
}

/** Outside /dev the root is nodev, so a node of our /dev is bound there. */
function bindElsewhere(
  device: Device,
  index: number,
  { dev, root, slot, ground }: Record<'dev' | 'root' | 'slot', Slot> & { ground: Ground },
): Step[] {
  return [
    { op: 'clone_mount', out: slot, at: dev, path: temporary(index), recursive: 0 },
    { op: 'attach', mount: slot, root, path: device.path, create: CREATE.file, ...ground },
    { op: 'unlink', at: dev, path: temporary(index) },
  ];
}

function temporary(index: number): string {
  return `.device${index}`;
}

function below(path: string): string {
  return path.replace(/^\/dev\//, '');
}

function node(root: Slot, { path, type, major, minor, mode }: Device): Extract<Step, { op: 'mknod' }> {
  const format = type === 'b' ? S_IFBLK : S_IFCHR;
  return { op: 'mknod', root, path: below(path), mode: format | mode, major, minor, uid: 0, gid: 0 };
}

/** The host's own /dev/shm when the ipc namespace is the host's: POSIX shared memory is files there. */
function sharedMemory(out: Slot, host: boolean): { make: Step[]; open: Step[] } {
  if (host) return { make: [], open: [{ op: 'clone_mount', out, at: NONE, path: '/dev/shm', recursive: 0 }] };
  const attributes = NOSUID | NODEV | NOEXEC;
  return { make: [{ op: 'filesystem', out, type: 'tmpfs', options: ['mode=1777', 'size=65536k', NAMES], attributes }], open: [] };
}

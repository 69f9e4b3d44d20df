import type { BundleDevice } from '../../oci-config/config-schema.js';
import { CLONE, PROPAGATION } from '../../plan/constants.js';
import { NONE, type Slots } from '../../plan/plan.js';
import { MOUNT_ATTR } from '../../plan/recipe.js';
import type { Slot, Step } from '../../plan/steps.js';
import { idOutside } from '../../plan/user-maps.js';
import type { UserMaps } from '../config/bundle-user-maps.js';
import { nodeOf } from './device-node.js';

/** A node that is made outside of the container's user namespace, with its owner there, and the slot of the mount that shows it. */
export interface OutsideNode {
  readonly device: BundleDevice;
  readonly mount: Slot;
}

/** A device with the owner that it has outside of a user namespace; `null` where an id has none there. */
export function ownedOutside(device: BundleDevice, maps: UserMaps): BundleDevice | null {
  const [uid, gid] = [idOutside(maps.uid, device.uid ?? 0), idOutside(maps.gid, device.gid ?? 0)];
  return uid === null || gid === null ? null : { ...device, uid, gid };
}

/**
 * The tmpfs is attached here for the moment, in the process's own mount namespace. /dev serves, since every host has it and no step looks into it before it is
 * detached.
 */
const STAGING = '/dev';

/**
 * Makes nodes before a user namespace is entered, in a file system of the host's: those of one that belongs to a user namespace open nothing. It is mounted for
 * the moment, where nobody else sees it, as a mount can be cloned only where it is attached before Linux 6.15.
 */
export function outsideNodes(nodes: readonly OutsideNode[], slots: Slots, tmpfsOptions: readonly string[]): Step[] {
  if (nodes.length === 0) return [];
  const staging = slots.take();
  const options = ['mode=700', ...tmpfsOptions];
  return [
    { op: 'unshare', flags: CLONE.mnt },
    { op: 'set_propagation', path: '/', propagation: PROPAGATION.slave },
    { op: 'filesystem', out: staging, type: 'tmpfs', options, attributes: MOUNT_ATTR.NOSUID | MOUNT_ATTR.NOEXEC },
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

import type { Ownership } from './recipe.js';

/** Who mounts a root: what the kernel lets that process do, and by which ids it knows the owners of the host's files. */
export interface Mounter {
  /**
   * A mount can be shown without those that lie below it. In the mount namespace of an ordinary user the host's mounts are locked together
   * (mount_namespaces(7)): there a folder with a mount below is neither bound alone nor the lower layer of an overlay (EINVAL).
   */
  readonly whole: boolean;
  /** Overlays keep their marks in user.overlay.* (Linux 5.11): trusted.* is for who has CAP_SYS_ADMIN on the host. */
  readonly userxattr: boolean;
  /** The id by which an owner on the host is known; `null` for one that the user namespace doesn't have. */
  uid(onHost: number): number | null;
  gid(onHost: number): number | null;
}

/** Mode and owner of a copy: what belongs to nobody inside is given to root. */
export function ownershipOf({ mode, uid, gid }: Ownership, mounter: Mounter): Ownership {
  return { mode, uid: mounter.uid(uid) ?? 0, gid: mounter.gid(gid) ?? 0 };
}

/** Root of the host. */
export const ROOT_MOUNTER: Mounter = { whole: true, userxattr: false, uid: (id) => id, gid: (id) => id };

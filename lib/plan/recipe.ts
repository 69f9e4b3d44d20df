import type { Slot, Step } from './steps.js';

/**
 * How a root file system is to be mounted: what an image hands out. Nobody takes its paths apart. Running
 * without unpacking (erofs, …) will be another list beside `mounts`.
 */
export interface RootRecipe {
  /** Copy-on-write mounts, parents before children; the first has the target '/'. */
  readonly mounts: readonly OverlayRecipe[];
  /** What can't be the lower layer of an overlay (a single file, a file system such as vfat), mounted after `mounts`. */
  readonly binds: readonly BindRecipe[];
}

/** Permission bits and owner of a folder. */
export interface Ownership {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

export interface OverlayRecipe {
  /** Absolute, inside. */
  readonly target: string;
  /** Folders of the host, the topmost first. */
  readonly lower: readonly string[];
  /** MOUNT_ATTR_* of the mount: always NODEV, as device nodes of an image are not trusted. */
  readonly attributes: number;
  /** Owner and mode of the mount's root: overlayfs shows the upper folder's, so the upper must be made with these. */
  readonly root: Ownership;
  /**
   * A layer above all of `lower`, to be made in a tmpfs for each mount with {@link coverSteps}; empty when nothing is hidden.
   * It can't be a folder of the host: overlayfs refuses a lower layer that lies inside another one (ELOOP), and '/' holds all.
   */
  readonly cover: readonly CoverEntry[];
}

/** An entry of a covering layer, parents before children. Paths are relative to the layer, without a leading '/'. */
export type CoverEntry =
  /** A folder; `opaque`: nothing of the layers below is seen in it. */
  | ({ readonly kind: 'folder'; readonly path: string; readonly opaque: boolean } & Ownership)
  /** An entry of this name in the layers below is not seen. */
  | { readonly kind: 'whiteout'; readonly path: string };

export interface BindRecipe {
  /** A path of the host. */
  readonly source: string;
  /** Absolute, inside. */
  readonly target: string;
  readonly kind: 'file' | 'folder';
  /** MOUNT_ATTR_*, RDONLY among them. */
  readonly attributes: number;
}

/** mount_setattr(2). */
export const MOUNT_ATTR = { RDONLY: 0x1, NOSUID: 0x2, NODEV: 0x4, NOEXEC: 0x8 } as const;

/** mknod(2): the type of a whiteout, a character device 0:0 (Documentation/filesystems/overlayfs.rst). */
const S_IFCHR = 0o020000;

/**
 * The steps that make a mount's covering layer: the folder `name` in `tmpfs`, opened in the slot `out`, to be the topmost lower layer. They
 * need CAP_SYS_ADMIN (trusted xattr), but not CAP_MKNOD: a whiteout is no device.
 */
export function coverSteps(mount: OverlayRecipe, place: { tmpfs: Slot; name: string; out: Slot; host?: boolean }): Step[] {
  const { tmpfs: root, name, out } = place;
  const side = place.host ? { host: true } : {};
  const steps: Step[] = [{ op: 'mkdir', ...side, out, root, path: name, ...mount.root }];
  for (const entry of mount.cover) {
    const path = `${name}/${entry.path}`;
    if (entry.kind === 'whiteout') {
      steps.push({ op: 'mknod', ...side, root, path, mode: S_IFCHR, major: 0, minor: 0, uid: 0, gid: 0 });
      continue;
    }
    const { mode, uid, gid } = entry;
    steps.push({ op: 'mkdir', ...side, out: -1, root, path, mode, uid, gid });
    if (entry.opaque) steps.push({ op: 'set_xattr', ...side, root, path, name: 'trusted.overlay.opaque', value: Buffer.from('y') });
  }
  return steps;
}

/**
 * How a root file system is to be mounted: what an image hands out. Nobody takes its paths apart. Running
 * without unpacking (erofs, …) will be another list beside `mounts`.
 */
export interface RootRecipe {
  /** Copy-on-write mounts, parents before children; the first has the target '/'. */
  readonly mounts: readonly OverlayRecipe[];
  /** What can't be the lower layer of an overlay (a single file, a file system such as vfat), mounted after `mounts`. */
  readonly binds: readonly BindRecipe[];
  /** The overlays keep their marks in user.overlay.*, and those of the layers are found there (Linux 5.11). */
  readonly userxattr: boolean;
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
  /** Folders of the host, the topmost first; none where all is in the covering layer. */
  readonly lower: readonly string[];
  /** The folders that changes are compared with, where these are not `lower`: the covering layer has copies of what is there. */
  readonly copied?: readonly string[] | undefined;
  /** MOUNT_ATTR_* of the mount: always NODEV, as device nodes of an image are not trusted. */
  readonly attributes: number;
  /** Owner and mode of the mount's root: overlayfs shows the upper folder's, so the upper must be made with these. */
  readonly root: Ownership;
  /**
   * A layer above all of `lower`, to be made in a tmpfs for each mount (cover.ts); empty when nothing is hidden.
   * It can't be a folder of the host: overlayfs refuses a lower layer that lies inside another one (ELOOP), and '/' holds all.
   */
  readonly cover: readonly CoverEntry[];
}

/** An entry of a covering layer, parents before children. Paths are relative to the layer, without a leading '/'. */
export type CoverEntry =
  /** A folder; `opaque`: nothing of the layers below is seen in it. */
  | ({ readonly kind: 'folder'; readonly path: string; readonly opaque: boolean } & Ownership)
  /** An entry of this name in the layers below is not seen. */
  | { readonly kind: 'whiteout'; readonly path: string }
  | { readonly kind: 'link'; readonly path: string; readonly target: string }
  /** A copy of a file of the host, of so many bytes; `source` null: an empty file, to be mounted on. */
  | ({ readonly kind: 'file'; readonly path: string; readonly source: string | null; readonly size: number } & Ownership);

export interface BindRecipe {
  /** A path of the host. */
  readonly source: string;
  /** Absolute, inside. */
  readonly target: string;
  readonly kind: 'file' | 'folder';
  /** What is mounted below the source is seen too. */
  readonly recursive: boolean;
  /** A folder is shown through an overlay, in which sockets and named pipes of the host don't work as they do through a bind. */
  readonly sealed: boolean;
  /** MOUNT_ATTR_*, RDONLY among them. */
  readonly attributes: number;
}

/** mount_setattr(2). */
export const MOUNT_ATTR = { RDONLY: 0x1, NOSUID: 0x2, NODEV: 0x4, NOEXEC: 0x8 } as const;

/** The folders with which changes to a mount are compared, the topmost first. */
export function comparedWith({ lower, copied }: OverlayRecipe): readonly string[] {
  return copied ?? lower;
}

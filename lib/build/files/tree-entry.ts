import type { TarEntry } from './tar-header.js';

/** Something in a tree of files, by its path below the root: '' is the root itself, no path begins or ends with '/'. */
export interface TreeEntry {
  readonly kind: 'file' | 'folder' | 'link' | 'other';
  /** The permissions, with setuid, setgid and the sticky bit. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Seconds since the epoch. */
  readonly mtime: number;
  readonly size: number;
  /** Tells two names of one file; `null`: it has one name. */
  readonly inode: string | null;
}

/** Whose ids a tree's files have: what is inside for what is on the disk. */
export interface TreeIds {
  uid(onDisk: number): number;
  gid(onDisk: number): number;
}

/** Extended attributes of files that have any, by the files' names in their folder. */
export type FolderAttributes = ReadonlyMap<string, NonNullable<TarEntry['xattrs']>>;

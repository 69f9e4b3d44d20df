import { isWithin } from '../../host/mountinfo.js';
import type { Device } from '../../security/paths.js';

/**
 * The mounts that a container gets unasked, and what is hidden in it: plain data, without a descriptor or a function, much as a `config.json`
 * of OCI has it. Another kind of container is another table.
 */
export interface MountTable {
  /** Attached in this order, before what the caller mounts; no target twice. {@link DEV} and {@link PROC} are among them. */
  readonly mounts: readonly MountRow[];
  /** Files that are bound after the caller's mounts, for their folder may be in one of these. */
  readonly files: readonly FileRow[];
  /** Files get /dev/null mounted over them, folders an empty tmpfs. What is not there needs no mask. */
  readonly maskedPaths: readonly string[];
  readonly readonlyPaths: readonly string[];
}

export type MountRow = FilesystemRow | ProcRow | BindRow;

interface Row {
  /** Absolute and tidy, inside. The mount lies on the last one before it that holds this path, or else on the root. */
  readonly target: string;
  /** MOUNT_ATTR_* of mount_setattr(2). */
  readonly attributes: number;
}

interface Mountpoint extends Row {
  /** CREATE: what is made where there is nothing, and whether a link is refused there. */
  readonly create: number;
}

/** A new file system. */
export interface FilesystemRow extends Mountpoint {
  readonly type: 'cgroup2' | 'devpts' | 'mqueue' | 'sysfs' | 'tmpfs';
  /** 'key=value' or 'flag'. */
  readonly options: readonly string[];
  /** Devices and links that are made in the file system, by absolute paths. */
  readonly devices?: readonly Device[];
  readonly links?: readonly { readonly path: string; readonly target: string }[];
}

/** A proc that shows the container's pid namespace. */
export interface ProcRow extends Mountpoint {
  readonly type: 'proc';
}

/** A bind of what the host has at `source`. */
export interface BindRow extends Mountpoint {
  readonly type: 'bind';
  readonly source: string;
  /** With the mounts in it, which without root can't be left out. Default: false. */
  readonly recursive?: boolean;
}

/** A file of the container's that is bound over the image's file; the image's stays as it is. */
export interface FileRow extends Row {
  readonly content: string;
}

export const PROC = '/proc';
export const SYS = '/sys';
/** The only folder where device nodes work: those of the caller are made here too. */
export const DEV = '/dev';
export const NULL = '/dev/null';

/** A path as it is seen from a folder above it, which is not the root. */
export function pathIn(folder: string, path: string): string {
  return path.slice(folder.length + 1);
}

/** The places where something is mounted on the root; the image need not have them. */
export function mountpointsOf({ mounts, files }: MountTable): string[] {
  const isOnRoot = ({ target }: MountRow): boolean => mounts.every((other) => other.target === target || !isWithin(target, other.target));
  return [...files, ...mounts.filter(isOnRoot)].map(({ target }) => target);
}

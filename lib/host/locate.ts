import { fstatSync, readdirSync, readFileSync, readlinkSync, realpathSync, statSync } from 'node:fs';
import { pid } from 'node:process';
import { hasCode } from '../errors.js';
import { attempt, systemError } from '../native/system-errors.js';
import { isWithin, type MountInfo, parseMountInfo, visibleMounts } from './mountinfo.js';
import { processSeen } from './process-identity.js';

/** The mount that a path leads to; `undefined` where nothing is mounted on it. */
export function mountedOn(path: string): MountInfo | undefined {
  return visibleMounts(mounts()).find(({ mountPoint }) => mountPoint === path);
}

/**
 * A path that leads to a network namespace: Node's own, one that is pinned, or that of a process. `null` where none leads
 * there any more, as for one that is gone.
 */
function networkNamespacePath(inode: number): string | null {
  const pinned = mounts().filter(({ type, root }) => type === 'nsfs' && root === `net:[${inode}]`);
  const processes = attempt('list the processes', () => readdirSync('/proc')).filter((name) => /^\d+$/.test(name));
  const paths = ['self', ...processes].map((pid) => `/proc/${pid}/ns/net`);
  return [...pinned.map(({ mountPoint }) => mountPoint), ...paths].find((path) => inodeOf(path) === inode) ?? null;
}

/** The initial pid namespace, whose /proc shows all processes of the machine: PROC_PID_INIT_INO of the kernel's proc_ns.h, the same on each machine. */
const INITIAL_PID_NAMESPACE = 0xeffffffc;

/** A pid namespace, which is there as long as its process 1: the number alone is given to another one at once. */
export interface PidNamespace {
  /** Its inode number. */
  readonly pids: number;
  /** When process 1 began, in clock ticks since boot as processes of this namespace see it; none where that may not be read. */
  readonly began?: string | undefined;
}

/** As it was noted: an older version of this library has noted none, or its number alone. */
export type NotedPidNamespace = { readonly [Part in keyof PidNamespace]?: PidNamespace[Part] | undefined };

let ownPids: PidNamespace | null = null;

/** This process's pid namespace. */
export function ownPidNamespace(): PidNamespace {
  ownPids ??= attempt("look at this process's pid namespace", () => ({ pids: statSync('/proc/self/ns/pid').ino, ...beginning() }));
  return ownPids;
}

function beginning(): Pick<PidNamespace, 'began'> {
  // another pid namespace's /proc has another process 1
  const began = readlinkSync('/proc/self') === String(pid) ? processSeen(1)?.startTime : undefined;
  return began === undefined ? {} : { began };
}

/**
 * Whether a network namespace has gone. Where none of the processes that this one can see is in it, a process of another pid namespace may be: then
 * nobody here can tell.
 *
 * @param noted the pid namespace of the process that has noted it
 */
export function findNetworkNamespace(inode: number, noted: NotedPidNamespace = {}): { readonly path: string } | 'gone' | 'out of sight' {
  const path = networkNamespacePath(inode);
  if (path !== null) return { path };
  const own = ownPidNamespace();
  const isSame = own.began !== undefined && own.pids === noted.pids && own.began === noted.began;
  return own.pids === INITIAL_PID_NAMESPACE || isSame ? 'gone' : 'out of sight';
}

let ownNamespace: number | null = null;

/** The inode number of this process's network namespace. It is looked up once: the shim stays in the one in which it was started, too. */
export function ownNetworkNamespace(): number {
  ownNamespace ??= attempt("look at this process's network namespace", () => statSync('/proc/self/ns/net').ino);
  return ownNamespace;
}

/** That of a network namespace's descriptor; without one, this process's. */
export function networkNamespaceOf(fd: number | undefined): number {
  return fd === undefined ? ownNetworkNamespace() : attempt('look at a network namespace', () => fstatSync(fd).ino);
}

function mounts(): MountInfo[] {
  return parseMountInfo(attempt('list the mounts', () => readFileSync('/proc/self/mountinfo', 'utf8')));
}

/** The inode of a path; `null` when it is gone, or is that of a process of another user, whose namespaces we may not look into. */
function inodeOf(path: string): number | null {
  try {
    return statSync(path).ino;
  } catch (error) {
    if (hasCode(error, ...UNREACHABLE)) return null;
    throw systemError(`look at ${path}`, error);
  }
}

const UNREACHABLE = ['ENOENT', 'ESRCH', 'EACCES', 'EPERM'];

/** The type of the file system that a path lies on, as a table of mounts calls it; `undefined` where none shows it. */
export function fileSystemOf(path: string): string | undefined {
  const real = attempt(`look up ${path}`, () => realpathSync(path));
  return visibleMounts(mounts()).findLast(({ mountPoint }) => isWithin(real, mountPoint))?.type;
}

import { closeSync, fstatSync, openSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { hasCode } from '../errors.js';
import { binding, closeDescriptor } from '../native/load-addon.js';
import { attempt } from '../native/system-errors.js';
import { recordsDir, writeBeside } from './journal.js';
import type { UserIds } from './subordinate-ids.js';
import { hasMaps } from './write-maps.js';

// All containers of an ordinary user are below one user namespace, whichever process makes them: the shim of one has no rights over what is below
// another's, as over the mounts of a container that another process has made. It lives as long as one of the shims in it.

const NS_GET_PARENT = 0xb702;

/** What a shim's owner is told to have: the number of the shim, and that of its user namespace. */
const FILE = 'userns';

function noteFile(owner: string): string {
  return join(recordsDir(owner), FILE);
}

/** Lets others find the user namespace of a shim. @throws SyscallError */
export function noteUserNamespace(owner: string, pid: number): void {
  attempt("note the user namespace of this user's containers", () =>
    writeBeside(noteFile(owner), JSON.stringify({ pid, inode: statSync(`/proc/${pid}/ns/user`).ino })),
  );
}

/**
 * The user namespace of this user's containers, where a shim is in it.
 *
 * @param ids that it must have
 * @returns a descriptor, which the caller closes
 * @throws SyscallError
 */
export function findUserNamespace(ids: UserIds): number | null {
  for (const owner of ownersWithNotes()) {
    const fd = openNoted(noteFile(owner), ids);
    if (fd !== null) return fd;
  }
  return null;
}

function ownersWithNotes(): string[] {
  const folder = dirname(recordsDir('any'));
  return attempt(`list ${folder}`, () => {
    try {
      return readdirSync(folder);
    } catch (error) {
      if (hasCode(error, 'ENOENT')) return [];
      throw error;
    }
  });
}

/** `null` where it is gone, or the number is another process's by now. */
function openNoted(file: string, ids: UserIds): number | null {
  const noted = readNote(file);
  if (noted === null) return null;
  const fd = openOf(noted.pid);
  if (fd === null) return null;
  let isOurs = false;
  try {
    isOurs = attempt(`look at the user namespace of process ${noted.pid}`, () => isNoted(fd, noted, ids));
  } finally {
    if (!isOurs) closeSync(fd);
  }
  return isOurs ? fd : null;
}

function isNoted(fd: number, { pid, inode }: Noted, ids: UserIds): boolean {
  try {
    return fstatSync(fd).ino === inode && isChildOfOurs(fd) && hasMaps(pid, ids);
  } catch (error) {
    // the process has ended just now
    if (hasCode(error, 'ENOENT', 'ESRCH')) return false;
    throw error;
  }
}

interface Noted {
  readonly pid: number;
  readonly inode: number;
}

function readNote(file: string): Noted | null {
  try {
    const noted: unknown = JSON.parse(readFileSync(file, 'utf8'));
    if (typeof noted !== 'object' || noted === null) return null;
    const [pid, inode] = [Reflect.get(noted, 'pid'), Reflect.get(noted, 'inode')];
    return Number.isSafeInteger(pid) && Number.isSafeInteger(inode) ? { pid, inode } : null;
  } catch {
    // most owners have none, and the folder may go just now; without this note a new namespace does as well
    return null;
  }
}

function openOf(pid: number): number | null {
  return attempt(`open the user namespace of process ${pid}`, () => {
    try {
      return openSync(`/proc/${pid}/ns/user`, 'r');
    } catch (error) {
      if (hasCode(error, 'ENOENT', 'ESRCH', 'EACCES')) return null;
      throw error;
    }
  });
}

/** Whether a user namespace is one of those directly below the user namespace of this user's containers. @throws SyscallError */
export function isOfContainers(fd: number, ids: UserIds): boolean {
  const containers = findUserNamespace(ids);
  if (containers === null) return false;
  try {
    return attempt('look at a user namespace', () => parentInode(fd) === fstatSync(containers).ino);
  } finally {
    closeSync(containers);
  }
}

/** Whether a user namespace lies directly below this process's own, as that of this user's containers does. */
function isChildOfOurs(fd: number): boolean {
  return parentInode(fd) === statSync('/proc/self/ns/user').ino;
}

/** `null` where the parent can't be seen from here. */
function parentInode(fd: number): number | null {
  const parent = binding().namespaceIoctl(fd, NS_GET_PARENT);
  if (parent < 0) return null;
  try {
    return fstatSync(parent).ino;
  } finally {
    closeDescriptor(parent);
  }
}

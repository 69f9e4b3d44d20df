import { constants, fstatSync, openSync, statfsSync } from 'node:fs';
import { NacelleError, UnsupportedError } from '../errors.js';
import { adoptDescriptor, binding, closeDescriptor } from '../native/load-addon.js';
import { attempt, nativeError } from '../native/system-errors.js';
import { O_PATH } from '../plan/constants.js';
import type { NamespaceType } from '../plan/namespace-types.js';
import { typeOfFlag } from './clone-flags.js';

/** statfs(2)'s number of the file system that namespaces are files of. */
const NSFS_MAGIC = 0x6e736673;

/** ioctl_nsfs(2) */
const NS_GET_USERNS = 0xb701;
const NS_GET_PARENT = 0xb702;
const NS_GET_NSTYPE = 0xb703;

const EPERM = 1;

/**
 * Opens a file that must be a namespace: a link of /proc/PID/ns, or what one is pinned on. The caller closes it. Whatever else is there is not opened: a
 * named pipe would keep this process waiting, and a device may do something.
 */
export function openNamespaceFile(path: string): number {
  const what = `open the namespace ${path}`;
  const open = (file: string, flags: number): number => adoptDescriptor(attempt(what, () => openSync(file, flags)));
  const at = open(path, O_PATH);
  try {
    // The check goes through the descriptor, for the path may lead to another file by now.
    const place = `/proc/self/fd/${at}`;
    if (statfsSync(place).type === NSFS_MAGIC) return open(place, constants.O_RDONLY);
    throw new NacelleError(`${what}: it is no namespace, and none is pinned there`, { code: 'ERR_INVALID_OPTION' });
  } finally {
    closeDescriptor(at);
  }
}

export function isNamespaceFile(path: string): boolean {
  return attempt(`look at ${path}`, () => statfsSync(path).type === NSFS_MAGIC);
}

export function typeOf(fd: number): NamespaceType {
  const flag = binding().namespaceIoctl(fd, NS_GET_NSTYPE);
  if (flag < 0) throw nativeError('ask for the type of a namespace', 'ioctl', -flag);
  const type = typeOfFlag(flag);
  if (type) return type;
  throw new UnsupportedError('namespace', `the kernel has a type of namespace that nacelle does not know (0x${flag.toString(16)})`);
}

export function inodeOf(fd: number): bigint {
  return attempt('look at a namespace', () => fstatSync(fd, { bigint: true }).ino);
}

/** The user namespace that owns this one; of a user namespace, its parent. */
export function ownerOf(fd: number): number {
  return related(fd, NS_GET_USERNS, 'owner');
}

export function parentOf(fd: number, type: NamespaceType): number {
  if (type === 'user' || type === 'pid') return related(fd, NS_GET_PARENT, 'parent');
  throw new UnsupportedError(`the parent of a ${type} namespace`, 'only user and pid namespaces lie inside each other');
}

function related(fd: number, request: number, relation: string): number {
  const result = binding().namespaceIoctl(fd, request);
  if (result >= 0) return result;
  const what = `open the ${relation} of a namespace`;
  if (result === -EPERM) {
    throw new NacelleError(`${what}: EPERM (it lies outside the namespaces of this process)`, {
      code: 'EPERM',
      cause: nativeError(what, 'ioctl', EPERM),
    });
  }
  throw nativeError(what, 'ioctl', -result);
}

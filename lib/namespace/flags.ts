import { type NamespaceType, namespaceTypes } from '../plan/namespaces.js';

/** CLONE_NEW* of clone(2), by the type's name in /proc/PID/ns. */
export const CLONE_FLAG: Readonly<Record<NamespaceType, number>> = {
  time: 0x0000_0080,
  mnt: 0x0002_0000,
  cgroup: 0x0200_0000,
  uts: 0x0400_0000,
  ipc: 0x0800_0000,
  user: 0x1000_0000,
  pid: 0x2000_0000,
  net: 0x4000_0000,
};

export function flagsOf(types: Iterable<NamespaceType>): number {
  let flags = 0;
  for (const type of types) flags |= CLONE_FLAG[type];
  return flags;
}

/** What ioctl NS_GET_NSTYPE answers, in words; `undefined` for a type that is newer than this code. */
export function typeOfFlag(flag: number): NamespaceType | undefined {
  return namespaceTypes.find((type) => CLONE_FLAG[type] === flag);
}

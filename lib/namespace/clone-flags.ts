import { CLONE } from '../plan/constants.js';
import { type NamespaceType, namespaceTypes } from '../plan/namespace-types.js';

export function flagsOf(types: Iterable<NamespaceType>): number {
  let flags = 0;
  for (const type of types) flags |= CLONE[type];
  return flags;
}

/** What ioctl NS_GET_NSTYPE answers, in words; `undefined` for a type that is newer than this code. */
export function typeOfFlag(flag: number): NamespaceType | undefined {
  return namespaceTypes.find((type) => CLONE[type] === flag);
}

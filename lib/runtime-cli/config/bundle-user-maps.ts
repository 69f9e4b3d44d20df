import { isDeepStrictEqual } from 'node:util';
import { invalidOption } from '../../errors.js';
import type { BundleLinux, BundleProcess } from '../../oci-config/config-schema.js';
import { checkIdMap, type IdMap, idOutside } from '../../plan/user-maps.js';

/** The ids of a container with a user namespace, and what they are outside. */
export interface UserMaps {
  readonly uid: readonly IdMap[];
  readonly gid: readonly IdMap[];
}

/**
 * The maps of a new user namespace (config-linux.md, "User namespace mappings"); `null` where config.json has none. Pure.
 *
 * @throws NacelleError `ERR_INVALID_OPTION` for maps that the kernel would refuse, that lack root, or that have no namespace
 */
export function userMapsOf(linux: BundleLinux | undefined): UserMaps | null {
  const { namespaces = [], uidMappings = [], gidMappings = [] } = linux ?? {};
  if (!namespaces.some(({ type }) => type === 'user')) {
    const [field] = Object.entries({ uidMappings, gidMappings }).filter(([, maps]) => maps.length > 0);
    if (field !== undefined) throw invalidOption(`linux.${field[0]}`, 'needs a namespace of the type user in linux.namespaces');
    return null;
  }
  const of = (name: string, mappings: typeof uidMappings): IdMap[] => {
    const map = mappings.map(({ containerID, hostID, size }) => ({ inside: containerID, outside: hostID, count: size }));
    checkIdMap(name, map);
    if (idOutside(map, 0) === null) throw invalidOption(name, 'must map 0: the container is set up by its root');
    return map;
  };
  return { uid: of('linux.uidMappings', uidMappings), gid: of('linux.gidMappings', gidMappings) };
}

/** The path of the user namespace that config.json joins; `null`: it joins none. Pure. */
export function joinedUsers(linux: BundleLinux | undefined): string | null {
  return linux?.namespaces.find(({ type }) => type === 'user')?.path || null;
}

/**
 * The maps of a user namespace that is joined, which those of config.json may repeat, as engines have it. Pure.
 *
 * @param found what the kernel says of the namespace
 * @throws NacelleError `ERR_INVALID_OPTION` for others in config.json, and for maps without root
 */
export function joinedMapsOf(linux: BundleLinux | undefined, found: UserMaps): UserMaps {
  for (const kind of ['uid', 'gid'] as const) {
    if (idOutside(found[kind], 0) === null)
      throw invalidOption('linux.namespaces', `joins a user namespace that maps no ${kind} 0: the container is set up by its root`);
    const field = `${kind}Mappings` as const;
    const given = (linux?.[field] ?? []).map(({ containerID, hostID, size }) => ({ inside: containerID, outside: hostID, count: size }));
    if (given.length > 0 && !isSameMap(given, found[kind]))
      throw invalidOption(`linux.${field}`, 'differs from the map of the user namespace that is joined');
  }
  return found;
}

function isSameMap(one: readonly IdMap[], other: readonly IdMap[]): boolean {
  const lines = (map: readonly IdMap[]): string[] => map.map(({ inside, outside, count }) => `${inside} ${outside} ${count}`).sort();
  return isDeepStrictEqual(lines(one), lines(other));
}

/** @throws NacelleError `ERR_INVALID_OPTION` for an id of the process that the container does not have */
export function requireMapped({ uid, gid }: UserMaps, { user }: Pick<BundleProcess, 'user'>): void {
  const check = (field: string, map: readonly IdMap[], id: number): void => {
    if (idOutside(map, id) === null)
      throw invalidOption(`process.user.${field}`, `has ${id}, which linux.${map === uid ? 'uid' : 'gid'}Mappings does not map`);
  };
  check('uid', uid, user.uid);
  check('gid', gid, user.gid);
  for (const group of user.additionalGids) check('additionalGids', gid, group);
}

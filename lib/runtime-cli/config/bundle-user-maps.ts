import { invalidOption } from '../../errors.js';
import type { BundleLinux, BundleProcess } from '../../oci-config/config-schema.js';
import { checkIdMap, type IdMap, idOutside } from '../../plan/user-maps.js';

/** The ids of a container with a user namespace of its own, and what they are outside. */
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

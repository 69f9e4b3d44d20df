import { isDeepStrictEqual } from 'node:util';
import { makeUserNamespace } from '../host/user-namespace.js';
import type { UserMaps } from './config/bundle-user-maps.js';
import type { MountMaps } from './config/mount-maps.js';
import type { MappedMount } from './plan/bundle-mounts.js';
import { closeAll } from './runtime-machine.js';

/**
 * Makes user namespaces, in which nobody is, for the maps of mounts: one for all that have the same. The caller closes their descriptors.
 *
 * @returns by the mount's number
 * @throws SyscallError
 */
export async function openMountMaps(mounts: ReadonlyMap<number, MountMaps>): Promise<Map<number, MappedMount>> {
  const made: { readonly maps: UserMaps; readonly users: number }[] = [];
  const mapped = new Map<number, MappedMount>();
  try {
    for (const [index, { maps, recursive }] of mounts) {
      let same = made.find((one) => isDeepStrictEqual(one.maps, maps));
      if (same === undefined) {
        same = { maps, users: await makeUserNamespace(maps) };
        made.push(same);
      }
      mapped.set(index, { users: same.users, recursive });
    }
    return mapped;
  } catch (error) {
    closeAll(made.map(({ users }) => users));
    throw error;
  }
}

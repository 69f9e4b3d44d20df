import { invalidOption } from '../../errors.js';
import { parseMountOptions } from '../../oci-config/bundle-mount-options.js';
import type { BundleMount } from '../../oci-config/config-schema.js';
import { checkIdMap, type IdMap } from '../../plan/user-maps.js';
import type { UserMaps } from './bundle-user-maps.js';

/** How the owners of a mount's files are shown. */
export interface MountMaps {
  readonly maps: UserMaps;
  /** Those of the mounts below, too. */
  readonly recursive: boolean;
}

/**
 * The maps of the ids of mounts (config.md, "Mounts"), by the mount's number. Those of a mount with `idmap` or `ridmap` and without maps are those of the
 * container's user namespace, as with runc. Pure.
 *
 * @param own those of the container's user namespace; `null`: it has none
 * @throws NacelleError `ERR_INVALID_OPTION` by the field: for another mount than a bind, one map without the other, and maps that the kernel would refuse
 */
export function mountMapsOf(mounts: readonly BundleMount[], own: UserMaps | null): ReadonlyMap<number, MountMaps> {
  const found = new Map<number, MountMaps>();
  for (const [index, mount] of mounts.entries()) {
    const { idmap, remount, bind } = parseMountOptions(mount.options);
    const hasMaps = mount.uidMappings.length + mount.gidMappings.length > 0;
    if (idmap === 'no' && !hasMaps) continue;
    const at = `mounts[${index}]`;
    if (remount || (bind === 'no' && mount.type !== 'bind' && mount.type !== 'none'))
      throw invalidOption(`${at}.${hasMaps ? 'uidMappings' : 'options'}`, 'ids are mapped of binds alone');
    found.set(index, { maps: hasMaps ? given(at, mount) : ofContainer(at, own), recursive: idmap === 'ridmap' });
  }
  return found;
}

function given(at: string, { uidMappings, gidMappings }: BundleMount): UserMaps {
  const map = (name: string, mappings: BundleMount['uidMappings']): IdMap[] => {
    const ranges = mappings.map(({ containerID, hostID, size }) => ({ inside: containerID, outside: hostID, count: size }));
    checkIdMap(`${at}.${name}`, ranges);
    return ranges;
  };
  return { uid: map('uidMappings', uidMappings), gid: map('gidMappings', gidMappings) };
}

function ofContainer(at: string, own: UserMaps | null): UserMaps {
  if (own === null) throw invalidOption(`${at}.uidMappings`, 'is missing: the container has no user namespace whose maps could be taken');
  return own;
}

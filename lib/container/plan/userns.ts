import type { Slot } from '../../plan/steps.js';
import type { IdMap } from '../../plan/user-maps.js';
import type { UserMaps } from '../../plan/userns-maps.js';

/** Which user namespace a container is in: plain data. The maps are those of /proc/PID/uid_map and gid_map, as the shim that makes the container sees them. */
export type UserNamespacePlan =
  /** That of the shim. */
  | { readonly kind: 'none' }
  /** Its own, made with the process; every id is the same inside and outside. */
  | { readonly kind: 'identity'; readonly uid: readonly IdMap[]; readonly gid: readonly IdMap[] }
  /** That of the run before, by a slot that the shim keeps. */
  | { readonly kind: 'kept'; readonly users: Slot; readonly uid: readonly IdMap[]; readonly gid: readonly IdMap[] }
  /** The one that owns the namespaces which the container joins, by a descriptor of Node's; every id is the same inside and outside. */
  | { readonly kind: 'joined'; readonly fd: number; readonly uid: readonly IdMap[]; readonly gid: readonly IdMap[] }
  /** One that is there already, by a descriptor of Node's: what needs rights outside of it is made before it is joined. */
  | ({ readonly kind: 'given'; readonly fd: number } & UserMaps & {
        /** One with the maps turned round, where somebody wants to read what was written with its ids; else `null`. */
        readonly back: number | null;
      });

/** Whether all of the container is made inside, where nobody has a right over what the host's user namespace owns. */
export function isMadeInside({ kind }: UserNamespacePlan): boolean {
  return kind === 'identity' || kind === 'kept' || kind === 'joined';
}

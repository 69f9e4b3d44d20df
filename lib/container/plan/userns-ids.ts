import { UnsupportedError } from '../../errors.js';
import type { Step } from '../../plan/steps.js';
import { type IdMap, idOutside } from '../../plan/user-maps.js';
import type { UserMaps } from '../../plan/userns-maps.js';
import type { UserNamespacePlan } from './userns.js';

/** The maps of a container's own user namespace; `null` where it has none, or none that changes an id. */
export function mapsIn(userns: UserNamespacePlan): UserMaps | null {
  return userns.kind === 'given' ? { uid: userns.uid, gid: userns.gid } : null;
}

/** Who the root of a user namespace is outside of it. @throws UnsupportedError where nobody is */
export function rootOutside(maps: UserMaps): { readonly uid: number; readonly gid: number } {
  return { uid: required(maps.uid, 0, 'user'), gid: required(maps.gid, 0, 'group') };
}

/** A step with the owner that it has inside, as a step for outside. @throws UnsupportedError for an owner that is not in the maps */
export function ownedOutside<S extends Step>(step: S, maps: UserMaps): S {
  if (!('uid' in step) || !('gid' in step)) return step;
  return { ...step, uid: required(maps.uid, Number(step.uid), 'user'), gid: required(maps.gid, Number(step.gid), 'group') };
}

function required(map: readonly IdMap[], id: number, kind: 'user' | 'group'): number {
  const outside = idOutside(map, id);
  if (outside !== null) return outside;
  throw new UnsupportedError('userns', `the ${kind} ${id}, who owns a part of the root, is not in the container's map`, 'Map more ids.');
}

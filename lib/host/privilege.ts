import { getegid, geteuid } from 'node:process';
import { type Mounter, ROOT_MOUNTER } from '../plan/mounter.js';
import { type IdMap, singleMap } from '../plan/user-maps.js';

/** With which rights this process makes containers. Everything that differs without root asks this, and not who the user is. */
export type Privilege =
  /** Its own: it is root. */
  | { readonly kind: 'root' }
  /** Those of root in a user namespace of its own, which the container shim is in. */
  | UserPrivilege;

export interface UserPrivilege {
  readonly kind: 'user';
  /** The maps of that namespace, as this process sees them. */
  readonly uid: readonly IdMap[];
  readonly gid: readonly IdMap[];
  /** Why no more than one id is mapped; `null` where more are. */
  readonly whyOne: string | null;
}

const ROOT: Privilege = { kind: 'root' };

let known: Privilege | undefined;

/** What is found out once. */
export function privilege(): Privilege {
  known ??= find();
  return known;
}

function find(): Privilege {
  const [uid, gid] = [geteuid?.() ?? 0, getegid?.() ?? 0];
  if (uid === 0) return ROOT;
  return { kind: 'user', uid: singleMap(uid), gid: singleMap(gid), whyOne: "in this user's containers only his own id is mapped" };
}

/** The map of a user namespace below the container shim's, in which every id is what it is in the shim's: one range for each. */
export function sameIds(map: readonly IdMap[]): IdMap[] {
  return map.map(({ inside, count }) => ({ inside, outside: inside, count }));
}

/** Who mounts the roots of this process's containers. */
export function mounter(own: Privilege): Mounter {
  if (own.kind === 'root') return ROOT_MOUNTER;
  const inside =
    (map: readonly IdMap[]) =>
    (onHost: number): number | null => {
      const range = map.find(({ outside, count }) => outside <= onHost && onHost < outside + count);
      return range === undefined ? null : range.inside + (onHost - range.outside);
    };
  return { whole: false, userxattr: true, uid: inside(own.uid), gid: inside(own.gid) };
}

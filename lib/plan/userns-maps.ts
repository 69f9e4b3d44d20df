import { NONE } from './plan.js';
import type { Slot, Step } from './steps.js';
import type { IdMap } from './user-maps.js';

/** The maps of a user namespace, as whoever is outside sees them. */
export interface UserMaps {
  readonly uid: readonly IdMap[];
  readonly gid: readonly IdMap[];
}

/** The first steps of a process in a user namespace that it has joined: it has all rights there, and no id yet that could own a file. */
export const enterUserNamespace: readonly Step[] = [
  { op: 'become_root', groups: 1 },
  // the change of user has made the process dumpable (proc(5), suid_dumpable)
  { op: 'dumpable', value: 0 },
];

/** The steps by which a process joins a user namespace, as its root; none where there is none to join. */
export function joinUsers(users: Slot): Step[] {
  return users === NONE ? [] : [{ op: 'setns', ns: users, type: 'user' }, ...enterUserNamespace];
}

/** The maps that lead back: a mount that is mapped by them shows files with outer owners as they are inside. */
export function turnedRound({ uid, gid }: UserMaps): UserMaps {
  const turn = ({ inside, outside, count }: IdMap): IdMap => ({ inside: outside, outside: inside, count });
  return { uid: uid.map(turn), gid: gid.map(turn) };
}

import { readFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { getegid, geteuid } from 'node:process';
import { hasCode, UnsupportedError } from '../errors.js';
import { attempt } from '../native/system-errors.js';
import { type Mounter, ROOT_MOUNTER } from '../plan/mounter.js';
import { type IdMap, idInside, singleMap } from '../plan/user-maps.js';
import type { RangeFile } from './id-lines.js';
import { findProgram } from './programs.js';
import { type UserIds, userIds } from './subordinate-ids.js';

/** With which rights this process makes containers. Everything that differs without root asks this, and not who the user is. */
export type Privilege =
  /** Its own: it is root. */
  | { readonly kind: 'root' }
  /** Those of root in a user namespace of its own, which the container shim is in. */
  | UserPrivilege;

/** The maps are those of that namespace, as this process sees them. */
export interface UserPrivilege extends UserIds {
  readonly kind: 'user';
  /** Why there can be no container: what the machine says of this user's ids can't be understood. */
  readonly trouble: UnsupportedError | null;
}

const ROOT: Privilege = { kind: 'root' };

let known: Privilege | undefined;

/** What is found out once. @throws SyscallError */
export function privilege(): Privilege {
  known ??= find();
  return known;
}

function find(): Privilege {
  const [uid, gid] = [geteuid?.() ?? 0, getegid?.() ?? 0];
  if (uid === 0) return ROOT;
  try {
    const ids = userIds({
      uid,
      gid,
      name: ownName(),
      subuid: rangeFile('/etc/subuid'),
      subgid: rangeFile('/etc/subgid'),
      hasPrograms: findProgram('newuidmap') !== null && findProgram('newgidmap') !== null,
      gainsNothing: /^NoNewPrivs:\s*1$/m.test(attempt('read /proc/self/status', () => readFileSync('/proc/self/status', 'utf8'))),
    });
    return { kind: 'user', ...ids, trouble: null };
  } catch (error) {
    if (!(error instanceof UnsupportedError)) throw error;
    const whyOne = { reason: error.reason, fix: error.fix ?? '' };
    return { kind: 'user', uid: singleMap(uid), gid: singleMap(gid), whyOne, trouble: error };
  }
}

/** Why an id that was asked for is none of this user's, and what mends that. */
export function lackOf({ whyOne }: UserPrivilege): { readonly reason: string; readonly fix: string } {
  if (whyOne === null)
    return { reason: 'it is none of the ids of this user, which /etc/subuid and /etc/subgid have', fix: 'Run it as root.' };
  return { ...whyOne, reason: `only this user's own id is mapped: ${whyOne.reason}` };
}

/** `null` for a user whom the machine does not know. */
function ownName(): string | null {
  try {
    return userInfo().username;
  } catch (error) {
    if (hasCode(error, 'ERR_SYSTEM_ERROR', 'ENOENT')) return null;
    throw error;
  }
}

/** A file that is missing is as good as an empty one. */
export function rangeFile(path: string): RangeFile {
  const text = attempt(`read ${path}`, () => {
    try {
      return readFileSync(path, 'utf8');
    } catch (error) {
      if (hasCode(error, 'ENOENT')) return '';
      throw error;
    }
  });
  return { path, text };
}

/** The map of a user namespace below the container shim's, in which every id is what it is in the shim's: a range for each, as the kernel takes none that is of two (EPERM). */
export function sameIds(map: readonly IdMap[]): IdMap[] {
  return map.map(({ inside, count }) => ({ inside, outside: inside, count }));
}

const mounters = new WeakMap<UserPrivilege, Mounter>();

/** Who mounts the roots of this process's containers: the same object for the same privilege. */
export function mounter(own: Privilege): Mounter {
  if (own.kind === 'root') return ROOT_MOUNTER;
  const known = mounters.get(own);
  if (known) return known;
  const made = { whole: false, userxattr: true, uid: (id: number) => idInside(own.uid, id), gid: (id: number) => idInside(own.gid, id) };
  mounters.set(own, made);
  return made;
}

import { UnsupportedError } from '../errors.js';
import type { IdMap } from '../plan/user-maps.js';
import { type IdRange, type RangeFile, rangesOf } from './id-lines.js';

/** Who asks, and what the machine has: read by privilege.ts. */
export interface SubordinateFacts {
  readonly uid: number;
  readonly gid: number;
  /** `null` for a user whom the machine has no name for. */
  readonly name: string | null;
  readonly subuid: RangeFile;
  readonly subgid: RangeFile;
  /** newuidmap(1) and newgidmap(1) are in PATH. */
  readonly hasPrograms: boolean;
  /** A program that this process starts gains no rights by its file's mode (no_new_privs), as newuidmap must. */
  readonly gainsNothing: boolean;
}

/** The ids of a user's containers: his own as root, and those that root of the machine has given to him. */
export interface UserIds {
  readonly uid: readonly IdMap[];
  readonly gid: readonly IdMap[];
  /** Why no more than one id is mapped, and what mends that; `null` where more are. */
  readonly whyOne: { readonly reason: string; readonly fix: string } | null;
}

/** Lines that uid_map takes (340 since Linux 4.15), but for the user's own. */
const MOST_RANGES = 339;

const GIVE = 'Have root of the machine give some: usermod --add-subuids 100000-165535 --add-subgids 100000-165535 NAME.';

/**
 * Decides which ids a user's containers have. Pure.
 *
 * @throws UnsupportedError for a line of this user's that can't be understood, and for ranges that overlap
 */
export function userIds(facts: SubordinateFacts): UserIds {
  const owners = [...(facts.name === null ? [] : [facts.name]), String(facts.uid)];
  const [uids, gids] = [rangesOf(owners, facts.subuid, refuse), rangesOf(owners, facts.subgid, refuse)];
  const whyOne = whyOnlyOne(facts, uids, gids);
  const one = (outside: number): IdMap => ({ inside: 0, outside, count: 1 });
  if (whyOne !== null) return { uid: [one(facts.uid)], gid: [one(facts.gid)], whyOne };
  return { uid: mapOf(facts.uid, uids, facts.subuid), gid: mapOf(facts.gid, gids, facts.subgid), whyOne: null };
}

function whyOnlyOne(
  { name, subuid, subgid, hasPrograms, gainsNothing }: SubordinateFacts,
  uids: readonly IdRange[],
  gids: readonly IdRange[],
) {
  const none = [...(uids.length === 0 ? [subuid.path] : []), ...(gids.length === 0 ? [subgid.path] : [])];
  if (none.length > 0) return { reason: `this user has no subordinate ids in ${none.join(' and ')}`, fix: GIVE };
  if (name === null) return { reason: 'the machine has no name for this user, which newuidmap wants', fix: 'Add the user to /etc/passwd.' };
  if (!hasPrograms) return { reason: 'newuidmap and newgidmap are not in PATH', fix: 'Install them: apt-get install uidmap.' };
  if (!gainsNothing) return null;
  return { reason: 'this process may gain no rights (no_new_privs), which newuidmap needs', fix: 'Start it without no_new_privs.' };
}

/** The user's own id first, then the ranges, one after the other. */
function mapOf(own: number, ranges: readonly IdRange[], { path }: RangeFile): IdMap[] {
  const sorted = [{ start: own, count: 1 }, ...ranges].sort((a, b) => a.start - b.start);
  for (const [index, { start, count }] of sorted.entries()) {
    const next = sorted[index + 1];
    if (next && next.start < start + count) throw refuse(`the ranges of this user in ${path} overlap at ${next.start}`, `Mend ${path}.`);
  }
  if (ranges.length > MOST_RANGES) throw refuse(`${path} has more than ${MOST_RANGES} ranges for this user`, 'Have fewer, larger ones.');
  let inside = 1;
  return ranges.reduce<IdMap[]>(
    (map, { start, count }) => {
      map.push({ inside, outside: start, count });
      inside += count;
      return map;
    },
    [{ inside: 0, outside: own, count: 1 }],
  );
}

function refuse(reason: string, fix: string): UnsupportedError {
  return new UnsupportedError('subordinate ids', reason, fix);
}

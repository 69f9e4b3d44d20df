import { UnsupportedError } from '../errors.js';
import { type IdRange, idLines, type RangeFile, rangesOf } from './id-lines.js';

/** How many ids a container gets: all that a user of 16 bits can be, nobody (65,534) among them. */
export const RANGE = 65_536;

/** Where ranges are taken from. */
export interface IdPool {
  /** The words for it in an error. */
  readonly name: string;
  /** The first ids of its ranges, which are the same for users and groups. */
  readonly starts: readonly number[];
}

/** Whose ranges are the pool, the first that has any. podman and containers/storage take those of the second. */
const OWNERS = ['nacelle', 'containers'];

/** Ids that systemd's table of users leaves free (https://systemd.io/UIDS-GIDS/). */
const FREE = { start: 1_879_048_192, count: 268_435_456 } as const;

/**
 * The ranges that may be given to containers. Pure.
 *
 * @throws UnsupportedError for a line of the pool that can't be understood, and for a pool without one whole range
 */
export function idPool(files: { readonly uid: RangeFile; readonly gid: RangeFile }): IdPool {
  for (const owner of OWNERS) {
    const [uid, gid] = [rangesOf([owner], files.uid, refuse), rangesOf([owner], files.gid, refuse)];
    if (uid.length === 0 && gid.length === 0) continue;
    const starts = uid.flatMap(startsIn).filter((start) => gid.some((range) => holds(range, start)));
    const name = `the ranges of ${owner} in ${files.uid.path} and ${files.gid.path}`;
    if (starts.length > 0) return { name, starts };
    const fix = `Give ${owner} the same ${RANGE} ids, or more, in both files.`;
    throw new UnsupportedError("userns: 'auto'", `${name} have no ${RANGE} ids in common`, fix);
  }
  const others = [...idLines(files.uid), ...idLines(files.gid)].flatMap(({ range }) => range ?? []);
  const isFree = (start: number): boolean => others.every((range) => start + RANGE <= range.start || range.start + range.count <= start);
  const last = FREE.start + FREE.count - 1;
  return { name: `the ids from ${FREE.start} to ${last}`, starts: startsIn(FREE).filter(isFree) };
}

function startsIn({ start, count }: IdRange): number[] {
  return Array.from({ length: Math.floor(count / RANGE) }, (_, index) => start + index * RANGE);
}

function holds({ start, count }: IdRange, first: number): boolean {
  return first >= start && first + RANGE <= start + count;
}

function refuse(reason: string, fix: string): UnsupportedError {
  return new UnsupportedError("userns: 'auto'", reason, fix);
}

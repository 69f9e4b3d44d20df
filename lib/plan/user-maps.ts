import { invalidOption } from '../errors.js';
import type { Step } from './steps.js';

/** One line of uid_map (user_namespaces(7)). */
export interface IdMap {
  readonly inside: number;
  readonly outside: number;
  readonly count: number;
}

/** Lines that uid_map takes (340 since Linux 4.15). */
const MOST_LINES = 340;

/** The bytes of uid_map and gid_map: 'inside outside count', a line each. */
export function encodeIdMap(map: readonly IdMap[]): Uint8Array {
  return Buffer.from(map.map(({ inside, outside, count }) => `${inside} ${outside} ${count}\n`).join(''));
}

/** A map of this user alone, as root inside: anyone may have it. */
export function singleMap(outside: number): IdMap[] {
  return [{ inside: 0, outside, count: 1 }];
}

/** What an id inside is outside; `null` where the map doesn't have it. Pure. */
export function idOutside(map: readonly IdMap[], id: number): number | null {
  const range = map.find(({ inside, count }) => inside <= id && id < inside + count);
  return range === undefined ? null : range.outside + (id - range.inside);
}

/** What an id outside is inside; `null` where the map doesn't have it. Pure. */
export function idInside(map: readonly IdMap[], id: number): number | null {
  const range = map.find(({ outside, count }) => outside <= id && id < outside + count);
  return range === undefined ? null : range.inside + (id - range.outside);
}

/** The shim writes the maps, with rights over groups: from outside any map may be written, and only before the first use. */
export function mapSteps(uid: readonly IdMap[], gid: readonly IdMap[]): Step[] {
  const write = (path: string, bytes: Uint8Array): Step => ({ op: 'write_process', host: true, path, bytes });
  return [write('gid_map', encodeIdMap(gid)), write('uid_map', encodeIdMap(uid))];
}

/**
 * Refuses a map that the kernel would refuse with a bare EINVAL.
 *
 * @throws NacelleError `ERR_INVALID_OPTION`
 */
export function checkIdMap(option: string, map: readonly IdMap[]): void {
  if (map.length === 0) throw invalidOption(option, 'must have at least one range');
  if (map.length > MOST_LINES) throw invalidOption(option, `must have at most ${MOST_LINES} ranges`);
  for (const side of ['inside', 'outside'] as const) {
    const ranges = map.map((range) => [range[side], range[side] + range.count] as const).sort(([a], [b]) => a - b);
    for (const [i, [start, end]] of ranges.entries()) {
      if (end > 2 ** 32 - 1) throw invalidOption(option, `reaches past the last id, ${2 ** 32 - 2} (${side} ${start})`);
      const next = ranges[i + 1];
      if (next && next[0] < end) throw invalidOption(option, `has ranges that overlap ${side}, at ${next[0]}`);
    }
  }
}

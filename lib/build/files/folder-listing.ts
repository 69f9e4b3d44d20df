import { isUtf8 } from 'node:buffer';
import { NacelleError } from '../../errors.js';
import { type FolderContents, STATUS_NUMBERS } from '../../native/tree-files.js';
import type { FolderAttributes, TreeEntry, TreeIds } from './tree-entry.js';

/**
 * What is in a folder, as it was when it was read. What is known of the files is kept as bytes and numbers, and names are made of them when they are asked
 * for: there may be millions.
 */
export interface FolderListing {
  /** How many there are. Their places are sorted by the bytes of their names. */
  readonly count: number;
  /** Of files that have any, by their names. */
  readonly attributes: FolderAttributes;
  name(place: number): string;
  /** What is at a place; `null`: it was removed meanwhile. */
  entry(place: number): TreeEntry | null;
}

export const EMPTY_LISTING: FolderListing = { count: 0, attributes: new Map(), name: () => '', entry: () => null };

const KINDS = ['file', 'folder', 'link', 'other'] as const;
const WIDTH = STATUS_NUMBERS.length;

/**
 * @param ids whose ids the files have
 * @throws NacelleError `EILSEQ` for a name that is not UTF-8
 */
export function folderListing(
  path: string,
  { names, statuses }: Pick<FolderContents, 'names' | 'statuses'>,
  ids: TreeIds,
): Omit<FolderListing, 'attributes'> {
  requireText(names, path);
  const ends = endsIn(names);
  const { kinds, modes, owners, numbers, inodes } = packed(statuses, ends.length);
  const name = (place: number): string => names.toString('utf8', place === 0 ? 0 : (ends[place - 1] ?? 0) + 1, ends[place]);
  const entry = (place: number): TreeEntry | null => {
    const kind = KINDS[kinds[place] ?? -1];
    if (kind === undefined) return null;
    const [uid, gid] = [ids.uid(owners[2 * place] ?? 0), ids.gid(owners[2 * place + 1] ?? 0)];
    const [mtime, size] = [compact(numbers[2 * place] ?? 0), compact(numbers[2 * place + 1] ?? 0)];
    return { kind, mode: modes[place] ?? 0, uid, gid, mtime, size, inode: inodes.get(place) ?? null };
  };
  return { count: ends.length, name, entry };
}

/** The numbers of files, each in as many bytes as it needs: few files have more names than one. */
interface Packed {
  readonly kinds: Int8Array;
  readonly modes: Uint16Array;
  /** The user and the group of each. */
  readonly owners: Uint32Array;
  /** The time and the size of each. */
  readonly numbers: Float64Array;
  /** Of files with several names, by their places. */
  readonly inodes: ReadonlyMap<number, string>;
}

function packed(statuses: Float64Array, count: number): Packed {
  const inodes = new Map<number, string>();
  const [kinds, modes] = [new Int8Array(count), new Uint16Array(count)];
  const [owners, numbers] = [new Uint32Array(2 * count), new Float64Array(2 * count)];
  for (let place = 0, at = 0; place < count; place++, at += WIDTH) {
    const of = (index: number): number => statuses[at + index] ?? 0;
    kinds[place] = of(0);
    modes[place] = of(1);
    owners[2 * place] = of(2);
    owners[2 * place + 1] = of(3);
    numbers[2 * place] = of(4);
    numbers[2 * place + 1] = of(5);
    if (of(7) !== 0 || of(8) !== 0) inodes.set(place, `${of(6)}:${of(7)}:${of(8)}`);
  }
  return { kinds, modes, owners, numbers, inodes };
}

/** The same number: V8 keeps one of 32 bits in an object's field itself, and of any other that an array of floats has a copy beside it. */
function compact(value: number): number {
  const integer = value | 0;
  return integer === value ? integer : value;
}

/** The names of all files of a listing. */
export function namesOf({ count, name }: Pick<FolderListing, 'count' | 'name'>): string[] {
  return Array.from({ length: count }, (_, place) => name(place));
}

/** Where each name has its zero byte. */
function endsIn(names: Buffer): Uint32Array {
  let count = 0;
  for (let at = names.indexOf(0); at >= 0; at = names.indexOf(0, at + 1)) count++;
  const ends = new Uint32Array(count);
  for (let at = names.indexOf(0), place = 0; at >= 0; at = names.indexOf(0, at + 1)) ends[place++] = at;
  return ends;
}

/** @throws NacelleError `EILSEQ` */
function requireText(names: Buffer, folder: string): void {
  if (isUtf8(names)) return;
  const wrong = names
    .toString('latin1')
    .split('\0')
    .map((name) => Buffer.from(name, 'latin1'))
    .find((name) => !isUtf8(name));
  throw new NacelleError(`read the folder ${folder || '/'}: the name ${JSON.stringify(wrong?.toString() ?? '')} is not UTF-8`, {
    code: 'EILSEQ',
  });
}

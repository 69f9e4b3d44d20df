import type { Extent } from './holes.js';

/** What a layer has of one file. */
export interface TarEntry {
  /** Below the root, without a '/' at either end. */
  readonly path: string;
  readonly type: 'file' | 'folder' | 'link' | 'hardlink' | 'char' | 'block' | 'fifo';
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Seconds since the epoch. */
  readonly mtime: number;
  /** Of a file. */
  readonly size: number;
  /** Where a link leads; of a hard link the path of the file, which came before. */
  readonly target: string;
  /** Of a device. */
  readonly device?: { readonly major: number; readonly minor: number } | undefined;
  /** Extended attributes, by their names (xattr(7)). */
  readonly xattrs?: ReadonlyMap<string, Buffer> | undefined;
  /** Of a file with holes: what alone is in the tar, in order. */
  readonly extents?: readonly Extent[] | undefined;
}

const BLOCK = 512;
const TYPES = { file: '0', hardlink: '1', link: '2', char: '3', block: '4', folder: '5', fifo: '6' } as const;
/** What the octal fields of a header hold (POSIX, pax: ustar Interchange Format). */
const LARGEST_ID = 0o7777777;
const LARGEST_SIZE = 0o77777777777;
/** What isn't ASCII, or has a line's end, goes into an extended header. */
const PLAIN = /^[\x20-\x7e]*$/;

/** The blocks before a file's bytes. The same entry gives the same bytes. */
export function tarHeader(entry: TarEntry): Buffer {
  const name = entry.type === 'folder' ? `${entry.path}/` : entry.path;
  if (entry.extents) return sparseHeader({ ...entry, extents: entry.extents });
  const own = header(name, entry, TYPES[entry.type]);
  const records = recordsOf(name, entry);
  if (records.length === 0) return own;
  return Buffer.concat([extendedHeader(records), own]);
}

function extendedHeader(records: readonly Buffer[]): Buffer {
  const extended = Buffer.concat(records);
  const pax = header('pax', { target: '', mode: 0o644, uid: 0, gid: 0, size: extended.length, mtime: 0 }, 'x');
  return Buffer.concat([pax, extended, padding(extended.length)]);
}

/** Those of a file with holes, in GNU tar's form 1.0 (its manual, Sparse Formats), as layers of RUN have them: the map of the extents is before their bytes. */
function sparseHeader(entry: TarEntry & { readonly extents: readonly Extent[] }): Buffer {
  const { path, size } = entry;
  const map = mapOf(size, entry.extents);
  const stored = storedSize(size, entry.extents);
  const records = [
    ...[record('GNU.sparse.major', '1'), record('GNU.sparse.minor', '0')],
    ...[record('GNU.sparse.name', path), record('GNU.sparse.realsize', `${size}`)],
    // a reader that doesn't know holes doesn't write what is stored under the file's own name
    ...recordsOf('GNUSparseFile', { ...entry, size: stored }),
  ];
  const own = header(`GNUSparseFile.0/${path.slice(path.lastIndexOf('/') + 1)}`, { ...entry, size: stored }, TYPES[entry.type]);
  return Buffer.concat([extendedHeader(records), own, map]);
}

/** Whole blocks, with a number a line: how many extents, and of each where it begins and how long it is. An empty one says where a hole at the end ends. */
function mapOf(size: number, extents: readonly Extent[]): Buffer {
  const last = extents.at(-1);
  const all = last && last.offset + last.length === size ? extents : [...extents, { offset: size, length: 0 }];
  const text = Buffer.from([all.length, ...all.flatMap(({ offset, length }) => [offset, length])].map((number) => `${number}\n`).join(''));
  return Buffer.concat([text, padding(text.length)]);
}

/** How many bytes a tar has of a file. @param extents `undefined`: the file has no holes */
export function storedSize(size: number, extents: readonly Extent[] | undefined): number {
  return extents ? extents.reduce((sum, { length }) => sum + length, mapOf(size, extents).length) : size;
}

/** What a header has no room for. */
function recordsOf(name: string, { target, uid, gid, size, mtime, xattrs }: TarEntry): Buffer[] {
  const records: Buffer[] = [];
  if (!fits(name)) records.push(record('path', name));
  if (!fits(target)) records.push(record('linkpath', target));
  if (uid > LARGEST_ID) records.push(record('uid', `${uid}`));
  if (gid > LARGEST_ID) records.push(record('gid', `${gid}`));
  if (size > LARGEST_SIZE) records.push(record('size', `${size}`));
  if (mtime < 0 || mtime > LARGEST_SIZE) records.push(record('mtime', `${mtime}`));
  // as star, GNU tar and the layers of other tools have them
  if (xattrs) for (const [key, value] of xattrs) records.push(record(`SCHILY.xattr.${key}`, value));
  return records;
}

function fits(text: string): boolean {
  return text.length <= 100 && PLAIN.test(text);
}

const ZEROS = Buffer.alloc(BLOCK);

/** What fills the last block of a file: always the same bytes, which nobody changes. */
export function padding(size: number): Buffer {
  return ZEROS.subarray(0, (BLOCK - (size % BLOCK)) % BLOCK);
}

/** Two empty blocks. */
export const TAR_END: Buffer = Buffer.alloc(2 * BLOCK);

/** 'LENGTH KEY=VALUE\n', of which the length counts itself. */
function record(key: string, value: string | Buffer): Buffer {
  const rest = Buffer.concat([Buffer.from(` ${key}=`), typeof value === 'string' ? Buffer.from(value) : value, Buffer.from('\n')]);
  let length = rest.length;
  while (length !== rest.length + `${length}`.length) length = rest.length + `${length}`.length;
  return Buffer.concat([Buffer.from(`${length}`), rest]);
}

/** A header of zeros in all its numbers, without names, and the sum of its bytes. */
const EMPTY_HEADER = emptyHeader();
const EMPTY_SUM = EMPTY_HEADER.reduce((sum, byte) => sum + byte, 0);

function emptyHeader(): Buffer {
  const block = Buffer.alloc(BLOCK);
  for (const [at, length] of [
    [100, 8],
    [108, 8],
    [116, 8],
    [124, 12],
    [136, 12],
  ] as const)
    block.fill(0x30, at, at + length - 1);
  block.fill(0x20, 148, 156);
  block.write('ustar\0' + '00', 257, 'latin1');
  return block;
}

function header(path: string, { target, mode, uid, gid, size, mtime, device }: Omit<TarEntry, 'type' | 'path'>, type: string): Buffer {
  // there is a header for each of many thousand files: this makes no string of a number, and sums up no byte that is always the same
  const block = Buffer.allocUnsafe(BLOCK);
  block.set(EMPTY_HEADER);
  let sum = EMPTY_SUM + type.charCodeAt(0);
  block[156] = type.charCodeAt(0);
  sum += writeText(block, path, 0) + writeText(block, target, 157);
  sum += writeOctal(block, mode, 100, 8) + writeOctal(block, uid, 108, 8) + writeOctal(block, gid, 116, 8);
  sum += writeOctal(block, size, 124, 12) + writeOctal(block, mtime, 136, 12);
  if (device) {
    block.fill(0x30, 329, 336).fill(0x30, 337, 344);
    sum += 2 * 7 * 0x30;
    sum += writeOctal(block, device.major, 329, 8) + writeOctal(block, device.minor, 337, 8);
  }
  // six digits, a zero byte and a blank
  block.fill(0x30, 148, 154);
  writeOctal(block, sum, 148, 7);
  block[154] = 0;
  return block;
}

/** At most 100 characters; those that a header can't have are in an extended one. @returns the sum of the bytes */
function writeText(block: Buffer, text: string, at: number): number {
  if (text === '') return 0;
  const end = at + block.write(PLAIN.test(text) ? text : text.replaceAll(/[^\x20-\x7e]/g, '?'), at, 100, 'latin1');
  let sum = 0;
  for (let place = at; place < end; place++) sum += block[place] ?? 0;
  return sum;
}

/** Over digits that are zero. @returns how much larger that makes the sum of the bytes */
function writeOctal(block: Buffer, value: number, at: number, length: number): number {
  let sum = 0;
  let left = Math.min(Math.max(0, value), 8 ** (length - 1) - 1);
  for (let place = at + length - 2; left > 0; place--) {
    const digit = left % 8;
    block[place] = 0x30 + digit;
    sum += digit;
    left = (left - digit) / 8;
  }
  return sum;
}

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
  const fits = (text: string): boolean => PLAIN.test(text) && text.length <= 100;
  const records = [
    ...(fits(name) ? [] : [record('path', name)]),
    ...(fits(entry.target) ? [] : [record('linkpath', entry.target)]),
    ...(entry.uid > LARGEST_ID ? [record('uid', `${entry.uid}`)] : []),
    ...(entry.gid > LARGEST_ID ? [record('gid', `${entry.gid}`)] : []),
    ...(entry.size > LARGEST_SIZE ? [record('size', `${entry.size}`)] : []),
    ...(entry.mtime < 0 || entry.mtime > LARGEST_SIZE ? [record('mtime', `${entry.mtime}`)] : []),
    // as star, GNU tar and the layers of other tools have them
    ...[...(entry.xattrs ?? [])].map(([key, value]) => record(`SCHILY.xattr.${key}`, value)),
  ];
  const own = header(name, entry, TYPES[entry.type]);
  if (records.length === 0) return own;
  const extended = Buffer.concat(records);
  const pax = header('pax', { target: '', mode: 0o644, uid: 0, gid: 0, size: extended.length, mtime: 0 }, 'x');
  return Buffer.concat([pax, extended, padding(extended.length), own]);
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

function header(path: string, { target, mode, uid, gid, size, mtime, device }: Omit<TarEntry, 'type' | 'path'>, type: string): Buffer {
  // there is a header for each of many thousand files: this makes no more than one string of a number
  const block = Buffer.allocUnsafe(BLOCK).fill(0);
  writeText(block, path, 0);
  writeOctal(block, mode, 100, 8);
  writeOctal(block, uid, 108, 8);
  writeOctal(block, gid, 116, 8);
  writeOctal(block, size, 124, 12);
  writeOctal(block, mtime, 136, 12);
  block.fill(0x20, 148, 156);
  block.write(type, 156, 'latin1');
  writeText(block, target, 157);
  block.write('ustar\0' + '00', 257, 'latin1');
  if (device) {
    writeOctal(block, device.major, 329, 8);
    writeOctal(block, device.minor, 337, 8);
  }
  // all after the device's numbers is zero
  let sum = 0;
  for (let at = 0; at < 345; at++) sum += block[at] ?? 0;
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return block;
}

/** At most 100 characters; those that a header can't have are in an extended one. */
function writeText(block: Buffer, text: string, at: number): void {
  if (text !== '') block.write(PLAIN.test(text) ? text : text.replaceAll(/[^\x20-\x7e]/g, '?'), at, 100, 'latin1');
}

function writeOctal(block: Buffer, value: number, at: number, length: number): void {
  const most = 8 ** (length - 1) - 1;
  const digits = Math.min(Math.max(0, value), most).toString(8);
  block.fill(0x30, at, at + length - 1 - digits.length);
  block.write(digits, at + length - 1 - digits.length, 'latin1');
}

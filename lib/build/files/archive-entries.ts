import type { FileHandle } from 'node:fs/promises';
import { Header } from 'tar';
import { limitError, type ParsedLimits } from '../../image/formats/unpack-limits.js';
import { nextTurn } from '../../native/clock.js';
import { InstructionProblem } from '../language/build-error.js';
import type { ArchiveEntry } from './archive-files.js';
import type { TarEntry } from './tar-header.js';

const BLOCK = 512;
/** Bytes of names, times and attributes of one entry. */
const MOST_TEXT = 1024 * 1024;
/** Bytes of extended attributes of all entries, and the most entries: all of them are in the memory of this process. */
const MOST_ATTRIBUTES = 64 * MOST_TEXT;
const MOST_ENTRIES = 500_000;
/** Others have their turn after so many. */
const AT_A_TIME = 256;
const TYPES: Readonly<Record<string, TarEntry['type']>> = {
  File: 'file',
  OldFile: 'file',
  ContiguousFile: 'file',
  Link: 'hardlink',
  SymbolicLink: 'link',
  CharacterDevice: 'char',
  BlockDevice: 'block',
  Directory: 'folder',
  FIFO: 'fifo',
};

/** Each part of a device number: both have a field of 7 octal digits. */
const MOST_DEVICE = 0o7777777;

/** What the entries before a file's own say of it (POSIX, pax; GNU tar's long names). */
type Extended = ReadonlyMap<string, Buffer>;

/** Whether bytes begin as a tar does: with a header whose checksum is right. */
export function isTarHeader(block: Buffer): boolean {
  if (block.length < BLOCK) return false;
  const header = headerOf(block);
  return header?.cksumValid === true && !header.nullBlock;
}

/**
 * All that an uncompressed tar has. It is hostile input: nothing in it is believed but within the limits.
 *
 * @param options.what for errors
 * @throws InstructionProblem; ImageError `ERR_IMAGE_LIMIT`; the reason of `options.signal`
 */
export async function archiveEntries(
  file: FileHandle,
  { what, signal }: { readonly what: string; readonly signal: AbortSignal | undefined },
  { maxEntries, maxPathLength, maxDepth }: Pick<ParsedLimits, 'maxEntries' | 'maxPathLength' | 'maxDepth'>,
): Promise<readonly ArchiveEntry[]> {
  const entries: ArchiveEntry[] = [];
  const { size: end } = await file.stat();
  const bad = (why: string): InstructionProblem => new InstructionProblem(`${what}: ${why}`);
  const most = Math.min(maxEntries, MOST_ENTRIES);
  const extended = new Map<string, Buffer>();
  let [text, attributes] = [0, 0];
  for (let at = 0, turn = 0; at + BLOCK <= end; turn++) {
    if (turn % AT_A_TIME === 0) await nextTurn();
    signal?.throwIfAborted();
    const block = await bytesAt(file, at, BLOCK);
    const header = headerOf(block);
    if (header?.nullBlock) return entries;
    if (!header?.cksumValid) throw bad(`the archive is damaged at byte ${at}`);
    const size = sizeOf(header.size, extended, header.type);
    if (size === null) throw bad(`the archive is damaged at byte ${at}: a size that is none`);
    const data = at + BLOCK;
    at = data + Math.ceil(size / BLOCK) * BLOCK;
    if (data + size > end) throw bad('the archive ends too early');
    const { type } = header;
    if (type === 'GlobalExtendedHeader') continue;
    if (type === 'ExtendedHeader' || type === 'NextFileHasLongPath' || type === 'NextFileHasLongLinkpath') {
      text += size;
      if (text > MOST_TEXT) throw limitError(`${what}: headers of ${text} bytes for one entry`);
      const bytes = await bytesAt(file, data, size);
      const found =
        type === 'ExtendedHeader' ? paxRecords(bytes) : new Map([[type === 'NextFileHasLongPath' ? 'path' : 'linkpath', ended(bytes)]]);
      if (found === null) throw bad('the archive has an extended header that is malformed');
      for (const [key, value] of found) extended.set(key, value);
      continue;
    }
    const kind = TYPES[type];
    if (kind === undefined || [...extended.keys()].some((key) => key.startsWith('GNU.sparse.')))
      throw bad(`the archive has an entry of the type ${kind === undefined ? type : 'SparseFile'}, which is not unpacked`);
    const entry = entryOf(header, kind, { extended, device: deviceOf(block) });
    if (entry === null) throw bad('the archive has an entry with a malformed field, or a name that is not UTF-8');
    entries.push({ ...entry, size: kind === 'file' ? size : 0, bytes: kind === 'file' ? { file, at: data } : null });
    if (entries.length > most) throw limitError(`${what}: more than ${most} entries`);
    for (const path of [entry.path, entry.target]) {
      if (Buffer.byteLength(path) > maxPathLength) throw limitError(`${what}: a path of more than ${maxPathLength} bytes`);
      if (path.split('/').length > maxDepth) throw limitError(`${what}: a path of more than ${maxDepth} names`);
    }
    for (const value of entry.xattrs?.values() ?? []) attributes += value.length;
    if (attributes > MOST_ATTRIBUTES) throw limitError(`${what}: extended attributes of ${attributes} bytes`);
    extended.clear();
    text = 0;
  }
  return entries;
}

/** @returns `null` for what no number can be read from */
function headerOf(block: Buffer): Header | null {
  try {
    return new Header(block, 0);
  } catch {
    return null;
  }
}

/** @returns `null` where a field is malformed */
function entryOf(
  header: Header,
  type: TarEntry['type'],
  { extended, device }: { readonly extended: Extended; readonly device: Device | null },
): Omit<ArchiveEntry, 'size' | 'bytes'> | null {
  // an empty name is that of the folder itself, as Docker and GNU tar read it
  const path = (extended.get('path')?.toString() ?? header.path ?? '') || '.';
  const target = extended.get('linkpath')?.toString() ?? header.linkpath ?? '';
  const number = (key: string, plain: number | undefined): number => Number(extended.get(key)?.toString() ?? plain ?? 0);
  const [uid, gid] = [number('uid', header.uid), number('gid', header.gid)];
  const mtime = Math.floor(number('mtime', header.mtime && header.mtime.getTime() / 1000));
  const isId = (id: number): boolean => Number.isInteger(id) && id >= 0 && id < 0xffffffff;
  const isDevice = type === 'char' || type === 'block';
  const hasTarget = type === 'link' || type === 'hardlink';
  if (`${path}${target}`.includes('\ufffd') || !isId(uid) || !isId(gid) || !Number.isSafeInteger(mtime)) return null;
  if (isDevice && device === null) return null;
  // the device 0:0 is what overlayfs has for what was removed
  if ((hasTarget && target === '') || (type === 'char' && device?.major === 0 && device.minor === 0)) return null;
  const prefix = 'SCHILY.xattr.';
  const xattrs = [...extended].flatMap(([key, value]) => (key.startsWith(prefix) ? [[key.slice(prefix.length), value] as const] : []));
  return {
    path,
    type,
    mode: type === 'link' ? 0o777 : (header.mode ?? 0) & 0o7777,
    uid,
    gid,
    mtime,
    target: hasTarget ? target : '',
    ...(isDevice && device ? { device } : {}),
    ...(xattrs.length > 0 ? { xattrs: new Map(xattrs) } : {}),
  };
}

interface Device {
  readonly major: number;
  readonly minor: number;
}

/** The numbers of a device, which tar's own reader has of ustar alone, and not of GNU tar's older format. @returns `null` where one is malformed */
function deviceOf(block: Buffer): Device | null {
  const [major, minor] = [329, 337].map((at) => {
    const digits = ended(block.subarray(at, at + 8))
      .toString('latin1')
      .trim();
    return /^[0-7]*$/.test(digits) ? Number.parseInt(digits || '0', 8) : Number.NaN;
  });
  const isNumber = (part: number | undefined): part is number => part !== undefined && part <= MOST_DEVICE;
  return isNumber(major) && isNumber(minor) ? { major, minor } : null;
}

/** Bytes that follow a header; `null`: its size is malformed. A folder, a link and a device have none, whatever their size says. */
function sizeOf(plain: number | undefined, extended: Extended, type: string): number | null {
  const size = Number(extended.get('size')?.toString() ?? plain ?? 0);
  if (!Number.isSafeInteger(size) || size < 0) return null;
  const kind = TYPES[type];
  return kind === undefined || kind === 'file' ? size : 0;
}

/** 'LENGTH KEY=VALUE\n' each; `null`: malformed. */
export function paxRecords(text: Buffer): Map<string, Buffer> | null {
  const records = new Map<string, Buffer>();
  for (let at = 0; at < text.length; ) {
    const blank = text.indexOf(' ', at);
    const digits = text.toString('latin1', at, blank < 0 ? at : blank);
    const end = /^[1-9]\d{0,9}$/.test(digits) ? at + Number(digits) : -1;
    const equals = text.indexOf('=', blank);
    if (end > text.length || equals < 0 || equals >= end || text[end - 1] !== 0x0a) return null;
    const key = text.toString('utf8', blank + 1, equals);
    // an empty value takes back what was said before
    if (end - 1 > equals + 1) records.set(key, text.subarray(equals + 1, end - 1));
    else records.delete(key);
    at = end;
  }
  return records;
}

/** A text up to its NUL byte. */
function ended(text: Buffer): Buffer {
  const end = text.indexOf(0);
  return end < 0 ? text : text.subarray(0, end);
}

async function bytesAt(file: FileHandle, at: number, length: number): Promise<Buffer> {
  const buffer = Buffer.alloc(length);
  const { bytesRead } = await file.read(buffer, 0, length, at);
  if (bytesRead < length) throw new InstructionProblem('the archive ends too early');
  return buffer;
}

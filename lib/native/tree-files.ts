import { constants } from 'node:os';
import { loadNative } from './load-addon.js';
import { nativeError } from './system-errors.js';

/** An extended attribute of one of several files. */
export interface FileAttribute {
  readonly file: string;
  readonly name: string;
  readonly value: Buffer;
}

/** What a folder had when it was read. */
export interface FolderContents {
  /** Ordered by their bytes, each with a zero byte at its end. */
  readonly names: Buffer;
  /** {@link STATUS_NUMBERS} of each file. */
  readonly statuses: Float64Array;
  /** By names that are text; 'too many': they have more bytes than were asked for. */
  attributes(names: readonly string[]): readonly FileAttribute[] | 'too many';
}

// The addon makes several calls, and does not tell which of them has failed: so these stand for all of its own.
const LIST = 'list_folder';
const READ = 'read_files';

/** What `statuses` have of one file, in this order: addon/tree_files.h says more. */
export const STATUS_NUMBERS = ['kind', 'mode', 'uid', 'gid', 'mtime', 'size', 'device', 'inodeHigh', 'inodeLow'] as const;

/**
 * The extended attributes (xattr(7)) of files, by their names in a folder, without following links: none of a file that is not there.
 *
 * @returns 'too many': all of them have more than `most` bytes
 * @throws SyscallError
 */
export async function fileAttributes(
  folder: string,
  names: readonly string[],
  most: number,
): Promise<readonly FileAttribute[] | 'too many'> {
  if (names.length === 0) return [];
  return attributesOf(await loadNative().addon.fileAttributes(folder, names, most), names);
}

/**
 * What is in a folder, and of each file what lstat(2) says, in one call. No link leads to the folder.
 *
 * @param root a descriptor of a folder, in which `path` is
 * @param most bytes of extended attributes; 0: none are read
 * @throws SyscallError; ELOOP where a link has taken the place of a folder
 */
export async function listFolder(root: number, path: string, most: number): Promise<FolderContents> {
  const found = await loadNative().addon.listFolder(root, path, most);
  if (typeof found === 'number') throw nativeError(`read the folder ${path || '/'}`, LIST, -found, path || '/');
  const [names, statuses, attributes] = found;
  return { names, statuses, attributes: (texts) => attributesOf(attributes, texts) };
}

/** A file that could not be read; `error` is `null` where it is none any more, or has another size. */
export interface UnreadFile {
  readonly place: number;
  readonly error: Error | null;
}

/**
 * Reads files whole, one after the other into `into`, in one call. No link leads to any of them.
 *
 * @param root a descriptor of a folder, in which the files are
 * @returns the first that can't be read
 */
export async function readContents(
  root: number,
  files: readonly { readonly path: string; readonly size: number }[],
  into: Uint8Array,
): Promise<UnreadFile | null> {
  const sizes = Float64Array.from(files, ({ size }) => size);
  if (sizes.reduce((sum, size) => sum + size, 0) > into.length) throw new RangeError('the files are larger than the place for them');
  const failed = await loadNative().addon.readContents(root, files.map(({ path }) => `${path}\0`).join(''), sizes, into);
  if (failed === null) return null;
  const [place, result] = failed;
  const path = files[place]?.path ?? '';
  return { place, error: result === 0 ? null : nativeError(`read the file ${path}`, READ, -result, path) };
}

function attributesOf(found: (number | Buffer)[] | number, names: readonly string[]): readonly FileAttribute[] | 'too many' {
  if (found === -constants.errno.E2BIG) return 'too many';
  if (typeof found === 'number') throw nativeError('read extended attributes', 'lgetxattr', -found);
  const attributes: FileAttribute[] = [];
  for (let at = 0; at < found.length; at += 3) {
    const [place, name, value] = found.slice(at, at + 3);
    const file = typeof place === 'number' ? names[place] : undefined;
    if (file === undefined || !isBytes(name) || !isBytes(value)) throw new TypeError('the addon gives no attributes');
    attributes.push({ file, name: name.toString(), value });
  }
  return attributes;
}

function isBytes(value: number | Buffer | undefined): value is Buffer {
  return typeof value === 'object';
}

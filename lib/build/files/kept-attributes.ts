import { NacelleError } from '../../errors.js';
import type { FileAttribute } from '../../native/tree-files.js';
import type { KeepAttributes } from './file-tree.js';
import type { FolderAttributes, TreeIds } from './tree-entry.js';

/** Bytes of the attributes of files in one folder: all of them are in the memory of this process. */
const MOST = 64 * 1024 ** 2;

const CAPABILITY = 'security.capability';
/** How capabilities begin that count in one user namespace, and those that count everywhere (capabilities(7): VFS_CAP_REVISION). */
const REVISIONS = { namespaced: 3, plain: 2 } as const;
const SIZES = { namespaced: 24, plain: 20 } as const;

/**
 * Attributes as a layer is to have them: those of users, and capabilities, which are for whoever is root in the image. Labels, access control lists and
 * what belongs to a file system stay behind: they are this machine's.
 *
 * @param uid the id inside of one on the disk
 */
export function keepAttributes(uid: TreeIds['uid']): KeepAttributes {
  return { most: MOST, keep: (found, shown) => kept(found, uid, shown) };
}

function kept(found: readonly FileAttribute[] | 'too many', uid: TreeIds['uid'], shown: string): FolderAttributes {
  if (found === 'too many') {
    throw new NacelleError(`read ${shown || '/'}: its files have more than ${MOST} bytes of extended attributes`, {
      code: 'ERR_TOO_LARGE',
    });
  }
  const files = new Map<string, Map<string, Buffer>>();
  for (const { file, name, value } of found) {
    const wanted = keptValue(name, value, uid);
    if (wanted === null) continue;
    const of = files.get(file) ?? new Map<string, Buffer>();
    of.set(name, wanted);
    files.set(file, of);
  }
  for (const [file, of] of files) files.set(file, new Map([...of].toSorted(([a], [b]) => (a < b ? -1 : 1))));
  return files;
}

/** @returns `null` for what stays behind */
export function keptValue(name: string, value: Buffer, uid: TreeIds['uid']): Buffer | null {
  if (name === CAPABILITY) return plainCapability(value, uid);
  // a record of a tar has its name before the first '='
  if (!name.startsWith('user.') || name.startsWith('user.overlay.') || /[=\ufffd]/.test(name)) return null;
  return value;
}

/** A capability of a user namespace says whose root it counts for: in an image it is for root. One for somebody else counts for nobody there. */
function plainCapability(value: Buffer, uid: TreeIds['uid']): Buffer | null {
  if (value.length < SIZES.plain) return null;
  const head = value.readUInt32LE(0);
  if (head >>> 24 !== REVISIONS.namespaced) return value;
  if (value.length < SIZES.namespaced || uid(value.readUInt32LE(SIZES.plain)) !== 0) return null;
  const plain = Buffer.from(value.subarray(0, SIZES.plain));
  plain.writeUInt32LE(((head & 0x00ffffff) | (REVISIONS.plain << 24)) >>> 0, 0);
  return plain;
}

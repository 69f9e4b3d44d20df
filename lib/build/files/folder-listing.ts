import { NacelleError } from '../../errors.js';
import { type FolderContents, STATUS_NUMBERS } from '../../native/tree-files.js';
import type { FolderAttributes, TreeEntry, TreeIds } from './tree-entry.js';

/** What is in a folder, as it was when it was read. What is known of the files is kept as numbers: there may be hundreds of thousands. */
export interface FolderListing {
  /** Sorted by their bytes. */
  readonly names: readonly string[];
  /** Of files that have any, by their names. */
  readonly attributes: FolderAttributes;
  /** What is at a place in `names`; `null`: it was removed meanwhile. */
  entry(place: number): TreeEntry | null;
}

export const EMPTY_LISTING: FolderListing = { names: [], attributes: new Map(), entry: () => null };

const KINDS = ['file', 'folder', 'link', 'other'] as const;
const WIDTH = STATUS_NUMBERS.length;

/**
 * @param ids whose ids the files have
 * @throws NacelleError `EILSEQ` for a name that is not UTF-8
 */
export function folderListing(
  path: string,
  { names: bytes, statuses }: Pick<FolderContents, 'names' | 'statuses'>,
  ids: TreeIds,
): Omit<FolderListing, 'attributes'> {
  const names = namesIn(bytes, path);
  const entry = (place: number): TreeEntry | null => {
    const at = place * WIDTH;
    const [code = -1, mode = 0, uid = 0, gid = 0, mtime = 0, size = 0, device = 0, high = 0, low = 0] = statuses.subarray(at, at + WIDTH);
    const kind = KINDS[code];
    if (kind === undefined) return null;
    const inode = high === 0 && low === 0 ? null : `${device}:${high}:${low}`;
    return {
      kind,
      mode: compact(mode),
      uid: ids.uid(compact(uid)),
      gid: ids.gid(compact(gid)),
      mtime: compact(mtime),
      size: compact(size),
      inode,
    };
  };
  return { names, entry };
}

/** The same number: V8 keeps one of 32 bits in an object's field itself, and of any other that an array of floats has a copy beside it. */
function compact(value: number): number {
  const integer = value | 0;
  return integer === value ? integer : value;
}

/** @throws NacelleError `EILSEQ` */
function namesIn(bytes: Buffer, folder: string): string[] {
  const text = bytes.toString();
  const names = text.split('\0').slice(0, -1);
  if (Buffer.byteLength(text) === bytes.length && Buffer.from(text).equals(bytes)) return names;
  // a name with a character that takes the place of other bytes is the first that isn't text
  const wrong = names.find((name) => name.includes('\ufffd')) ?? '';
  throw new NacelleError(`read the folder ${folder || '/'}: the name ${JSON.stringify(wrong)} is not UTF-8`, { code: 'EILSEQ' });
}

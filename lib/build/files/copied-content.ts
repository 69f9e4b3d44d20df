import { createHash, hash } from 'node:crypto';
import { nextTurn } from '../../native/clock.js';
import { contentBatches } from './content-batches.js';
import type { FetchedFile, NotedFile } from './fetch-file.js';
import { EMPTY_TREE, type FileTree } from './file-tree.js';
import { type Extent, HoleFinder } from './holes.js';
import { type KnownBytes, OrderedHashes } from './known-bytes.js';
import type { LayerFile } from './layer-file.js';
import { type CopyRequest, layerFiles } from './layer-files.js';
import { contentOf } from './layer-tar.js';

/** What a COPY takes, wherever it goes. */
export interface CopiedContent {
  /** Of names, kinds, modes, owners, sizes, where links lead, and bytes. Times don't count. */
  readonly digest: string;
  /** SHA-256 of each file's bytes, by its path in the tree that is copied from. */
  readonly bytes: KnownBytes;
}

/** What is known by its key before it is fetched. */
export interface RemoteContent {
  /** All that its files follow from. */
  readonly key: readonly (string | boolean)[];
}

/**
 * The content that the sources of a COPY select.
 *
 * @param request.hasOwner the copies get an owner of their own, so that those of the sources don't count
 * @param request.signal its abort ends the reading, with its reason
 * @throws as `layerFiles`
 */
export async function copiedContent(
  request: Pick<CopyRequest, 'from' | 'ignored' | 'inline' | 'excludes' | 'chmod' | 'parents'> & {
    readonly sources: readonly (string | FetchedFile | NotedFile | RemoteContent)[];
    readonly hasOwner: boolean;
    readonly signal?: AbortSignal | undefined;
  },
): Promise<CopiedContent> {
  const { hasOwner, signal, sources, ...copy } = request;
  // the last names of sources count, since they may be names in the target: so all goes into one folder
  const files = await layerFiles({
    ...copy,
    sources: sources.flatMap((source) => (isRemote(source) ? [] : [source])),
    onto: EMPTY_TREE,
    target: '/',
    owner: hasOwner ? { uid: 0, gid: 0 } : null,
    folderMode: 0o755,
    madeAt: 0,
    signal,
  });
  const all = createHash('sha256');
  for (const [index, source] of sources.entries()) if (isRemote(source)) all.update(`${JSON.stringify([index, ...source.key])}\n`);
  const known = new OrderedHashes();
  for await (const batch of contentBatches(files)) {
    signal?.throwIfAborted();
    // a batch of which nothing has to be read waits for nothing else
    await nextTurn();
    let lines = '';
    for (const [place, file] of batch.files.entries()) {
      const { bytes } = file;
      let hashed = hashAtHand(file, batch.contentOf(place));
      if (hashed !== null && bytes && 'tree' in bytes) known.push(bytes.path, hashed);
      else if (bytes && 'tree' in bytes) {
        const read = await readWhole(bytes, file.size, signal);
        hashed = read.hash;
        known.push(bytes.path, hashed, read.extents);
      }
      lines += `${JSON.stringify([...fieldsOf(file), hashed])}\n`;
    }
    all.update(lines);
  }
  return { digest: `sha256:${all.digest('hex')}`, bytes: known };
}

function isRemote(source: string | FetchedFile | NotedFile | RemoteContent): source is RemoteContent {
  return typeof source !== 'string' && 'key' in source;
}

function fieldsOf({ path, type, mode, uid, gid, size, target, xattrs }: LayerFile): readonly (string | number)[] {
  // a file without any has the fields that it always had
  const fields = [path, type, mode, uid, gid, size, target];
  if (!xattrs) return fields;
  return [...fields, ...[...xattrs].flatMap(([name, value]) => [name, value.toString('base64')])];
}

/** SHA-256 of a file's bytes; `null`: it has none, or they are not here. */
function hashAtHand({ bytes }: LayerFile, content: Uint8Array | null): string | null {
  if (content) return hash('sha256', content);
  if (!bytes || 'tree' in bytes) return null;
  return 'content' in bytes ? hash('sha256', bytes.content) : (bytes.hash ?? null);
}

/** SHA-256 of a file's bytes, and what of them is more than zeros; `null`: it has no holes. */
async function readWhole(
  { tree, path }: { readonly tree: FileTree; readonly path: string },
  size: number,
  signal: AbortSignal | undefined,
): Promise<{ readonly hash: string; readonly extents: readonly Extent[] | null }> {
  signal?.throwIfAborted();
  const file = await tree.open(path);
  try {
    const hash = createHash('sha256');
    const holes = new HoleFinder();
    for await (const chunk of contentOf(file, size, path)) {
      signal?.throwIfAborted();
      hash.update(chunk);
      holes.take(chunk);
    }
    return { hash: hash.digest('hex'), extents: holes.end() };
  } finally {
    await file.close();
  }
}

import { createHash, hash } from 'node:crypto';
import { nextTurn } from '../../native/clock.js';
import { contentBatches } from './content-batches.js';
import type { FetchedFile, NotedFile } from './fetch-file.js';
import { EMPTY_TREE, type FileTree } from './file-tree.js';
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

/** Others have their turn after so many files. */
const AT_A_TIME = 1024;

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
  const bytes = await hashesOf(files, signal);
  const all = createHash('sha256');
  for (const [index, source] of sources.entries()) if (isRemote(source)) all.update(`${JSON.stringify([index, ...source.key])}\n`);
  let seen = 0;
  for (const file of files) {
    if (++seen % AT_A_TIME === 0) await nextTurn();
    all.update(`${JSON.stringify([...fieldsOf(file), bytesOf(file, bytes)])}\n`);
  }
  return { digest: `sha256:${all.digest('hex')}`, bytes };
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

function bytesOf({ bytes }: LayerFile, known: KnownBytes): string | null {
  if (!bytes) return null;
  if ('content' in bytes) return createHash('sha256').update(bytes.content).digest('hex');
  return 'path' in bytes ? (known.get(bytes.path) ?? null) : (bytes.hash ?? null);
}

async function hashesOf(files: Iterable<LayerFile>, signal: AbortSignal | undefined): Promise<KnownBytes> {
  const known = new OrderedHashes();
  for await (const batch of contentBatches(withBytes(files))) {
    signal?.throwIfAborted();
    for (const [place, { bytes, size }] of batch.files.entries()) {
      if (!bytes || !('tree' in bytes)) continue;
      const content = batch.contentOf(place);
      known.push(bytes.path, content ? hash('sha256', content) : await hashOf(bytes, size, signal));
    }
  }
  return known;
}

/** Those that have bytes in a tree. */
function* withBytes(files: Iterable<LayerFile>): Generator<LayerFile, void, undefined> {
  for (const file of files) if (file.bytes && 'tree' in file.bytes) yield file;
}

async function hashOf(
  { tree, path }: { readonly tree: FileTree; readonly path: string },
  size: number,
  signal: AbortSignal | undefined,
): Promise<string> {
  signal?.throwIfAborted();
  const file = await tree.open(path);
  try {
    const hash = createHash('sha256');
    for await (const chunk of contentOf(file, size, path)) {
      signal?.throwIfAborted();
      hash.update(chunk);
    }
    return hash.digest('hex');
  } finally {
    await file.close();
  }
}

import { readFile, rename, stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { hasCode, withCleanupError } from '../../errors.js';
import { storeRoot } from '../../host/store-path.js';
import { type Hold, hold, livingLeases } from '../../store/lease.js';
import { deadFiles } from '../../store/leavings.js';
import { removeTrees } from '../../store/remove-tree.js';
import { endSpareUses } from '../../store/spare-uses.js';
import { withLock } from '../../store/store-lock.js';
import { listFolder } from '../../store/store-root.js';
import {
  chainIds,
  type Descriptor,
  isIndex,
  isManifest,
  parseConfig,
  parseIndex,
  parseManifest,
  tagOf,
} from '../formats/image-documents.js';
import { discardIngest } from './blobs.js';
import { blobPath, layerPath, MAP_NAME, mapName } from './image-paths.js';
import { readEntries, writeEntries } from './index-file.js';
import { sweepRecords } from './layer-records.js';

/** What `Image.prune()` has removed from the store. */
export interface ImagePruneReport {
  /** Digests of the manifests that had no reference. */
  readonly images: readonly string[];
  /** Digests of blobs: manifests, configs and layers as they travel. */
  readonly blobs: readonly string[];
  /** Chain ids of unpacked layers. */
  readonly layers: readonly string[];
  /** Bytes of the blobs. The size of unpacked layers is not counted. */
  readonly bytes: number;
}

/**
 * Removes what no reference reaches, no record of the build cache needs and no living process uses: images without a reference, blobs, unpacked
 * layers, and what dead processes left.
 * Names are removed while the store is locked, for a moment; the trees after that. A tree that can't be removed is tried again by the next
 * prune.
 *
 * @param options.afterRemoval keeps what nobody asked to remove: images without a reference, and blobs that were cut off
 */
export async function prune({ afterRemoval = false } = {}, root = storeRoot()): Promise<ImagePruneReport> {
  await endSpareUses('layers');
  const held = await hold([], root);
  const trash: string[] = [];
  try {
    const report = await sweep(root, { held, trash, afterRemoval });
    const failure = await removeTrees(trash);
    if (failure) throw failure;
    return report;
  } finally {
    held.release();
  }
}

/**
 * Removes what needs the lock. Trees that are to be removed without it are put into `trash`; when something fails, they are removed here.
 */
async function sweep(
  root: string,
  { held, trash, afterRemoval }: Omit<Sweep, 'root'> & { afterRemoval: boolean },
): Promise<ImagePruneReport> {
  try {
    return await withLock(root, 'exclusive', async () => {
      const living = await livingLeases(root);
      const entries = await readEntries(root);
      const kept = entries.filter((entry) => afterRemoval || tagOf(entry) !== null || living.digests.has(entry.digest));
      const reached = new Set(living.digests);
      for (const entry of kept) await reach(entry, reached, root);
      for (const digest of await sweepRecords(root)) reached.add(digest);
      if (kept.length < entries.length) await writeEntries(kept, root, held);
      const { blobs, bytes } = await sweepBlobs(reached, root);
      const layers = await sweepLayers({ reached, living: living.digests }, { root, held, trash });
      if (!afterRemoval) await sweepIngest(root);
      trash.push(...(await deadFiles(living.names, root)));
      return { images: entries.filter((entry) => !kept.includes(entry)).map(({ digest }) => digest), blobs, layers, bytes };
    });
  } catch (error) {
    throw withCleanupError(error, await removeTrees(trash));
  }
}

/** Adds to `reached` all digests that an entry of the index needs, as far as they are there. */
async function reach(entry: Descriptor, reached: Set<string>, root: string): Promise<void> {
  reached.add(entry.digest);
  const bytes = await readFile(blobPath(root, entry.digest)).catch((error: unknown) => {
    if (hasCode(error, 'ENOENT')) return null;
    throw error;
  });
  if (bytes === null) return;
  const what = `${tagOf(entry) ?? 'the image'} ${entry.digest}`;
  if (isIndex(entry)) {
    for (const child of parseIndex(bytes, what).manifests) await reach(child, reached, root);
  } else if (isManifest(entry)) {
    const { config, layers } = parseManifest(bytes, what);
    for (const { digest } of [config, ...layers]) reached.add(digest);
    const settings = await readFile(blobPath(root, config.digest)).catch((error: unknown) => {
      if (hasCode(error, 'ENOENT')) return null;
      throw error;
    });
    if (settings === null) return;
    for (const chainId of chainIds(parseConfig(settings, `config of ${what}`).rootfs.diff_ids)) reached.add(chainId);
  }
}

async function sweepBlobs(reached: ReadonlySet<string>, root: string): Promise<{ blobs: string[]; bytes: number }> {
  const blobs: string[] = [];
  let bytes = 0;
  for (const digest of await digestsIn(join(root, 'blobs'))) {
    if (reached.has(digest)) continue;
    const path = blobPath(root, digest);
    bytes += (await stat(path)).size;
    await unlink(path);
    blobs.push(digest);
  }
  return { blobs, bytes };
}

interface Sweep {
  readonly root: string;
  readonly held: Hold;
  readonly trash: string[];
}

/** Takes away the names of layers at once; to remove all that is in them takes longer than the store may be locked. */
async function sweepLayers(
  { reached, living }: { readonly reached: ReadonlySet<string>; readonly living: ReadonlySet<string> },
  { root, held, trash }: Sweep,
): Promise<string[]> {
  const layers: string[] = [];
  for (const chainId of await digestsIn(join(root, 'layers'))) {
    const folder = layerPath(root, chainId);
    const gone = !reached.has(chainId) ? [folder] : living.has(chainId) ? [] : await otherMaps(folder);
    for (const path of gone) {
      const away = await held.temporaryPath();
      await rename(path, away);
      trash.push(away);
    }
    if (gone.length > 0) layers.push(chainId);
  }
  return layers;
}

/** What a layer has for maps of ids that this user's containers had before. */
async function otherMaps(folder: string): Promise<string[]> {
  const own = mapName();
  const names = own === null ? [] : await listFolder(folder);
  return names.filter((name) => name.startsWith(MAP_NAME) && name !== own).map((name) => join(folder, name));
}

/** Removes blobs that were cut off, and that nobody brings just now. */
async function sweepIngest(root: string): Promise<void> {
  for (const name of await listFolder(join(root, 'ingest'))) await discardIngest(join(root, 'ingest', name));
}

/** 'sha256:HEX' for each file sha256/HEX. */
async function digestsIn(folder: string): Promise<string[]> {
  const all: string[] = [];
  for (const algorithm of await listFolder(folder)) {
    for (const hex of await listFolder(join(folder, algorithm))) all.push(`${algorithm}:${hex}`);
  }
  return all;
}

import type { Readable } from 'node:stream';
import { asImageErrors } from '../image/as-image-errors.js';
import { listRecords, removeRecords } from '../image/store/layer-records.js';
import { prune } from '../image/store/prune.js';
import { word } from '../options/common-schemas.js';
import { parseOptions } from '../options/parse-options.js';
import { packTree, unpackInto } from '../volume/volume-content.js';
import { type CacheMountName, listCacheMounts, openCacheMount, pruneCacheMounts, replaceCacheMount } from './cache/cache-mounts.js';
import { mountOptions, pruneOptions } from './cache/cache-options.js';
import { removeUrlNotes } from './cache/url-notes.js';
import type { BuildCachePruneReport } from './prune-report.js';

function nameOf(id: string, options: CacheMountOptions): CacheMountName {
  return { id: parseOptions(word, id, 'id'), ...parseOptions(mountOptions, options, 'options') };
}

/** What the build cache has. */
export type CacheInfo = CachedStepInfo | CacheMountInfo;

/** What the build cache has of one step. */
export interface CachedStepInfo {
  readonly type: 'step';
  /** The digest of all that the step's layer follows from. */
  readonly key: string;
  /** How the instruction was written, its first 200 characters. */
  readonly instruction: string;
  /** The digest of the layer's blob; `null`: the step changed nothing. */
  readonly digest: string | null;
  /** Bytes of the layer's blob, which images may have too. */
  readonly size: number;
  readonly createdAt: Date;
  readonly lastUsedAt: Date;
}

/** A folder that `RUN --mount=type=cache` shows. Each owner has one of an id; with `sharing=private` there may be several. */
export interface CacheMountInfo {
  readonly type: 'mount';
  readonly id: string;
  /** The owner of the folder, as the mount's `uid` and `gid` had it. */
  readonly uid: number;
  readonly gid: number;
  /** The {@link BuildOptions.cacheNamespace} of the builds that use it. */
  readonly namespace: string;
  readonly createdAt: Date;
  readonly lastUsedAt: Date;
}

/** Which cache mount it is. */
export interface CacheMountOptions {
  /** As {@link BuildOptions.cacheNamespace}. Default 'default'. */
  readonly namespace?: string | undefined;
  /** As the mount's own. Default 0. */
  readonly uid?: number | undefined;
  /** As the mount's own. Default 0. */
  readonly gid?: number | undefined;
}

/** The layers of earlier steps of {@link build}, and the folders of `RUN --mount=type=cache`, in the store. They stay, whatever images are removed, until this is pruned. */
// biome-ignore lint/complexity/noStaticOnlyClass: named as Image and Volume are, which have these methods too
export class BuildCache {
  /** The steps whose layers are there, and the cache mounts, those used last at the end. @throws ImageError when the store can't be read */
  static async list(): Promise<CacheInfo[]> {
    const [steps, mounts] = await asImageErrors('list the build cache', () => Promise.all([listRecords(), listCacheMounts()]));
    const all: CacheInfo[] = [
      ...steps.map(({ record: { key, instruction, created, layer }, lastUsedAt }) => ({
        ...{ type: 'step' as const, key, instruction, digest: layer?.digest ?? null, size: layer?.size ?? 0 },
        ...{ createdAt: new Date(created * 1000), lastUsedAt },
      })),
      ...mounts.map(({ name: _, ...mount }) => ({ type: 'mount' as const, ...mount })),
    ];
    return all.toSorted((a, b) => a.lastUsedAt.getTime() - b.lastUsedAt.getTime());
  }

  /**
   * Forgets all steps, and removes the layers that no image needs and the cache mounts. A build that goes on meanwhile, in whatever process, keeps
   * those that it has begun to use.
   *
   * @param options.type 'step' or 'mount': these alone. Default both
   * @throws NacelleError `ERR_INVALID_OPTION`; ImageError when an image in the store is damaged: {@link Image.remove} it first; the steps are forgotten by then
   */
  static async prune(options: { readonly type?: 'step' | 'mount' | undefined } = {}): Promise<BuildCachePruneReport> {
    const { type } = parseOptions(pruneOptions, options, 'options');
    return asImageErrors('prune the build cache', async () => {
      const mounts = type === 'step' ? [] : await pruneCacheMounts();
      if (type === 'mount') return { mounts, keys: [], blobs: [], layers: [], bytes: 0 };
      await removeUrlNotes();
      const keys = await removeRecords();
      const { blobs, layers, bytes } = await prune({ afterRemoval: true });
      return { mounts, keys, blobs, layers, bytes };
    });
  }

  /**
   * The files of a cache mount as a tar, as `Volume.export` has them: with owners, modes and attributes. It is in use until the stream has
   * closed.
   *
   * @throws NacelleError `ERR_INVALID_OPTION`, `ERR_NO_CACHE_MOUNT`; SyscallError
   */
  static async exportMount(id: string, options: CacheMountOptions = {}): Promise<Readable> {
    const used = await openCacheMount(nameOf(id, options));
    try {
      const stream = await packTree(
        { root: { type: 'folder', path: used.path }, path: '/' },
        `export the cache mount ${JSON.stringify(id)}`,
      );
      return stream.once('close', () => used.release());
    } catch (error) {
      used.release();
      throw error;
    }
  }

  /**
   * Makes a cache mount of a tar, uncompressed, as {@link exportMount} gives it, in the place of one that is there. The tar need not be trusted:
   * nothing of it gets out of the cache.
   *
   * @throws NacelleError `ERR_INVALID_OPTION`, `ERR_IN_USE` while a RUN uses the one that is there, `ERR_ARCHIVE` for a tar that can't be unpacked;
   *   what the source failed with; SyscallError. What was there stays when the tar can't be unpacked, or is in use
   */
  static async importMount(id: string, source: Readable, options: CacheMountOptions = {}): Promise<void> {
    try {
      const name = nameOf(id, options);
      await replaceCacheMount(name, (folder) =>
        unpackInto(folder, source, { owner: 'keep', what: `import the cache mount ${JSON.stringify(id)}` }),
      );
    } catch (error) {
      // whoever writes to the source would else wait for ever
      source.destroy();
      throw error;
    }
  }
}

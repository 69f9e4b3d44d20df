import { asImageErrors } from '../image/as-image-errors.js';
import { listRecords, removeRecords } from '../image/store/layer-records.js';
import { prune } from '../image/store/prune.js';

/** What the build cache has of one step. */
export interface CacheInfo {
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

/** What `BuildCache.prune()` has removed. */
export interface BuildCachePruneReport {
  /** Keys of steps. */
  readonly keys: readonly string[];
  /** Digests of blobs, of which no image had need. */
  readonly blobs: readonly string[];
  /** Bytes of the blobs. */
  readonly bytes: number;
}

/** The layers of earlier steps of {@link build}, in the store. They stay, whatever images are removed, until this is pruned. */
// biome-ignore lint/complexity/noStaticOnlyClass: named as Image and Volume are, which have these methods too
export class BuildCache {
  /** The steps whose layers are there, those used last at the end. @throws ImageError when the store can't be read */
  static async list(): Promise<CacheInfo[]> {
    const found = await asImageErrors('list the build cache', () => listRecords());
    return found
      .toSorted((a, b) => a.lastUsedAt.getTime() - b.lastUsedAt.getTime())
      .map(({ record: { key, instruction, created, layer }, lastUsedAt }) => ({
        key,
        instruction,
        digest: layer?.digest ?? null,
        size: layer?.size ?? 0,
        createdAt: new Date(created * 1000),
        lastUsedAt,
      }));
  }

  /**
   * Forgets all steps, and removes the layers that no image needs. A build that goes on meanwhile, in whatever process, keeps those that it has
   * begun to use.
   *
   * @throws ImageError when an image in the store is damaged: {@link Image.remove} it first; the steps are forgotten by then
   */
  static async prune(): Promise<BuildCachePruneReport> {
    return asImageErrors('prune the build cache', async () => {
      const keys = await removeRecords();
      const { blobs, bytes } = await prune({ afterRemoval: true });
      return { keys, blobs, bytes };
    });
  }
}

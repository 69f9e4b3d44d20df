import { Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { ImageError } from '../../errors.js';
import { storeRoot } from '../../host/store-path.js';
import { compressionIn, decompression } from '../../image/formats/decompress.js';
import { DEFAULT_LIMITS } from '../../image/formats/default-limits.js';
import { Verifier } from '../../image/formats/digest.js';
import { openBlobIn } from '../../image/formats/oci-layout.js';
import { blobCap, Cap, mostBytes } from '../../image/formats/unpack-limits.js';
import type { MadeLayer } from '../../image/layers/add-compressed.js';
import { addBlob } from '../../image/store/blobs.js';
import { wordsOf } from '../../native/system-errors.js';
import { hold } from '../../store/lease.js';
import { type CacheLayer, type CacheRecord, parseCacheConfig, parseCacheManifest } from './cache-config.js';
import { type CachePlace, type CacheReader, openCachePlace, placeName } from './cache-places.js';

/** What came of a step, as a cache from elsewhere says. */
export interface ImportedStep {
  /** Held, and not fetched yet; `null`: the step changed nothing. */
  readonly layer: MadeLayer | null;
  readonly created: number;
}

/**
 * A cache from elsewhere. Its documents are read at once, a layer when it is needed. What it says of a step is believed for this build alone, and
 * never becomes a record of the store: who doesn't name the cache isn't concerned.
 */
export class ImportedCache {
  readonly #reader: CacheReader;
  readonly #name: string;
  readonly #records: ReadonlyMap<string, CacheRecord>;
  readonly #signal: AbortSignal;
  readonly #brought = new Map<string, Promise<void>>();

  private constructor(reader: CacheReader, name: string, { records, signal }: { records: readonly CacheRecord[]; signal: AbortSignal }) {
    this.#reader = reader;
    this.#name = name;
    this.#records = new Map(records.map((record) => [record.key, record]));
    this.#signal = signal;
  }

  /** @returns `null`: there is none yet @throws ImageError when it can't be read, or is none; the signal's reason */
  static async open(place: CachePlace, signal: AbortSignal): Promise<ImportedCache | null> {
    const name = placeName(place);
    const reader = await openCachePlace(place, signal);
    if (!reader) return null;
    try {
      const { config, layers } = parseCacheManifest(reader.manifest, name);
      const records = parseCacheConfig(await reader.document(config), layers, `the config of ${name}`);
      return new ImportedCache(reader, name, { records, signal });
    } catch (error) {
      await reader.close();
      throw error;
    }
  }

  /** @returns `null` when the cache doesn't have the step, or not its layer @throws the signal's reason */
  async find(key: string): Promise<ImportedStep | null> {
    const record = this.#records.get(key);
    if (!record) return null;
    const { layer, created } = record;
    if (!layer) return { layer: null, created };
    if (!(await this.#has(layer))) return null;
    const { release } = await hold([layer.digest]);
    return { layer: { ...layer, release, bring: () => this.#bring(layer) }, created };
  }

  async #has(layer: CacheLayer): Promise<boolean> {
    try {
      blobCap(DEFAULT_LIMITS, `layer ${layer.digest}`, layer.digest)(layer.size);
      return await this.#reader.has(layer);
    } catch (error) {
      this.#signal.throwIfAborted();
      // the step is carried out then
      if (error instanceof ImageError) return false;
      throw error;
    }
  }

  /** Fetches a layer, once. */
  #bring(layer: CacheLayer): Promise<void> {
    const id = `${layer.digest} ${layer.diffId}`;
    const known = this.#brought.get(id) ?? this.#fetched(layer);
    this.#brought.set(id, known);
    return known;
  }

  async #fetched(layer: CacheLayer): Promise<void> {
    const { digest, size } = layer;
    try {
      await addBlob({ digest, size, open: (from) => this.#reader.open(layer, from) }, { signal: this.#signal });
      await requireDiffId(layer, this.#signal);
    } catch (error) {
      this.#signal.throwIfAborted();
      throw new ImageError(`the cache ${this.#name}: ${wordsOf(error)}`, { reference: this.#name, digest, cause: error });
    }
  }

  async close(): Promise<void> {
    await this.#reader.close();
  }
}

/** Reads a layer of the store as it is unpacked: no image may say of it what is not so. */
async function requireDiffId({ digest, size, diffId }: CacheLayer, signal: AbortSignal): Promise<void> {
  const file = await openBlobIn(storeRoot(), { mediaType: '', digest, size });
  try {
    const stages = await decompression(await compressionIn(file));
    const cap = new Cap(() => mostBytes(DEFAULT_LIMITS, size), { what: `layer ${digest}, uncompressed,`, digest });
    const plain = new Verifier({ digest: diffId, what: `the uncompressed layer ${digest}` });
    const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
    const bytes = file.createReadStream({ start: 0, autoClose: false, highWaterMark: 256 * 1024 });
    await pipeline([bytes, ...stages, cap, plain, nowhere], { signal });
  } finally {
    await file.close();
  }
}

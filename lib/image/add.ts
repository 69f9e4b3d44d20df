import type { FileHandle } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import type { ProgressListener } from '../plan/progress.js';
import { unpackedLayer } from './layer.js';
import { openBlobIn } from './layout.js';
import { chainIds, type Descriptor, type Manifest, type OciConfig } from './oci.js';
import { addBlob } from './store/blobs.js';
import { setReference } from './store/index-file.js';
import { hold } from './store/lease.js';
import { storeRoot } from './store/root.js';

/** An image that is to come into the store, and where its blobs are read. */
export interface NewImage {
  readonly descriptor: Descriptor;
  readonly manifest: Manifest;
  readonly config: OciConfig;
  readonly openBlob: (blob: Descriptor, from: number) => Promise<Readable> | Readable;
}

export interface AddImageOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ProgressListener | undefined;
  /** How many layers are read at a time. */
  readonly parallel?: number | undefined;
  /** Unpack each layer once it is there. */
  readonly unpack?: boolean | undefined;
}

/**
 * Brings an image into the store and gives it a reference (`null`: none). Blobs that are there already are not read. The reference
 * comes last: until then nobody sees anything, and what was brought is not brought again by the next try.
 *
 * @throws ImageError when a blob is not what its descriptor says
 */
export async function addImage(reference: string | null, image: NewImage, options: AddImageOptions = {}): Promise<void> {
  const { descriptor, manifest, config, openBlob } = image;
  const { signal, onProgress, parallel = 3, unpack = false } = options;
  const blobs = [descriptor, manifest.config, ...manifest.layers];
  const chain = chainIds(config.rootfs.diff_ids);
  const held = await hold([...blobs.map(({ digest }) => digest), ...chain]);
  const add = async (blob: Descriptor, onBytes?: (bytes: number) => void) =>
    addBlob({ digest: blob.digest, size: blob.size, open: (from) => openBlob(blob, from) }, { signal, onBytes });
  try {
    await inParallel([...manifest.layers.entries()], parallel, async ([index, layer]) => {
      const { digest, size: total } = layer;
      const report = (status: 'downloading' | 'downloaded' | 'exists', bytes: number) =>
        onProgress?.({ type: 'layer', status, digest, bytes, total });
      const done = await add(layer, (bytes) => report('downloading', bytes));
      report(done === 'exists' ? 'exists' : 'downloaded', total);
      signal?.throwIfAborted();
      const diffId = config.rootfs.diff_ids[index] ?? '';
      const source = { open: () => openBlobIn(storeRoot(), layer), descriptor: layer, diffId, chainId: chain[index] ?? '' };
      if (unpack) await unpackedLayer(source, onProgress);
    });
    // after the layers: whoever finds these finds all
    await add(manifest.config);
    await add(descriptor);
    await setReference(reference, descriptor);
  } finally {
    held.release();
  }
}

/** As many at a time as said. After a failure no further one begins, and those under way are waited for. */
export async function inParallel<T>(items: readonly T[], parallel: number, work: (item: T) => Promise<void>): Promise<void> {
  const waiting = [...items];
  const failures: unknown[] = [];
  const worker = async (): Promise<void> => {
    for (let item = waiting.shift(); item !== undefined && failures.length === 0; item = waiting.shift()) {
      await work(item).catch((error: unknown) => failures.push(error));
    }
  };
  await Promise.all(Array.from({ length: parallel }, worker));
  if (failures.length > 0) throw failures[0];
}

/** A file's bytes from one on; the stream closes it. */
export function streamFrom(file: FileHandle, from: number): Readable {
  return file.createReadStream({ start: from, highWaterMark: 256 * 1024 });
}

import type { FileHandle } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import type { ProgressListener } from '../plan/progress.js';
import { inParallel, settled } from './in-parallel.js';
import { unpackedLayers } from './layer.js';
import { openBlobIn } from './layout.js';
import type { ParsedLimits } from './limits.js';
import { chainIds, type Descriptor, type Manifest, type OciConfig } from './oci.js';
import { addBlob, discardDamaged } from './store/blobs.js';
import { setReference } from './store/index-file.js';
import { hold } from './store/lease.js';
import { storeRoot } from './store/root.js';

/** An image that is to come into the store, and where its blobs are read. */
export interface NewImage {
  readonly descriptor: Descriptor;
  readonly manifest: Manifest;
  readonly config: OciConfig;
  /** `signal`: then its bytes are of no use any more. */
  readonly openBlob: (blob: Descriptor, from: number, signal: AbortSignal) => Promise<Readable> | Readable;
  /** Told that a blob's bytes were not its own. Returns whether to open it again. Default: no. */
  readonly mistrust?: (blob: Descriptor) => boolean;
}

export interface AddImageOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ProgressListener | undefined;
  /** How many layers are read at a time. */
  readonly parallel?: number | undefined;
  /** Unpack each layer once it is there, within these limits. Default: don't. */
  readonly unpack?: ParsedLimits | null | undefined;
}

/**
 * Brings an image into the store and gives it a reference (`null`: none). Blobs that are there already are not read. The reference
 * comes last: until then nobody sees anything, and what was brought is not brought again by the next try.
 *
 * @throws ImageError when a blob is not what its descriptor says
 */
export async function addImage(reference: string | null, image: NewImage, options: AddImageOptions = {}): Promise<void> {
  const { descriptor, manifest, config, openBlob, mistrust = () => false } = image;
  const { onProgress, parallel = 3, unpack = null } = options;
  const blobs = [descriptor, manifest.config, ...manifest.layers];
  const held = await hold([...blobs.map(({ digest }) => digest), ...chainIds(config.rootfs.diff_ids)]);
  const stop = new AbortController();
  const signal = options.signal ? AbortSignal.any([options.signal, stop.signal]) : stop.signal;
  const add = (blob: Descriptor, onBytes?: (bytes: number) => void) =>
    addBlob(
      { digest: blob.digest, size: blob.size, open: (from) => openBlob(blob, from, signal), mistrust: () => mistrust(blob) },
      { signal, onBytes },
    );
  try {
    const arriving = inParallel(manifest.layers, parallel, async (layer) => {
      const { digest, size: total } = layer;
      const report = (status: 'downloading' | 'downloaded' | 'exists', bytes: number) =>
        onProgress?.({ type: 'layer', status, digest, bytes, total });
      const done = await add(layer, (bytes) => report('downloading', bytes));
      report(done === 'exists' ? 'exists' : 'downloaded', total);
      signal.throwIfAborted();
    });
    const stored = { manifest, config, openBlob: (blob: Descriptor) => openBlobIn(storeRoot(), blob) };
    const unpacking = unpack ? [unpackedLayers(stored, { limits: unpack, onProgress, signal }, async (index) => arriving[index])] : [];
    const all: readonly Promise<unknown>[] = [...arriving, ...unpacking];
    // what is left is of no use without the one that failed
    for (const work of all) work.catch((error: unknown) => stop.abort(error));
    await settled(all);
    // after the layers: whoever finds these finds all
    for (const document of [manifest.config, descriptor]) {
      await discardDamaged(document);
      await add(document);
    }
    await setReference(reference, descriptor);
  } finally {
    held.release();
  }
}

/** A file's bytes from one on; the stream closes it. */
export function streamFrom(file: FileHandle, from: number): Readable {
  return file.createReadStream({ start: from, highWaterMark: 256 * 1024 });
}

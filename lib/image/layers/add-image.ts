import type { FileHandle } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { storeRoot } from '../../host/store-path.js';
import type { ProgressListener } from '../../options/progress.js';
import { hold } from '../../store/lease.js';
import { chainIds, type Descriptor, type Manifest, type OciConfig } from '../formats/image-documents.js';
import { openBlobIn } from '../formats/oci-layout.js';
import { blobCap, type ParsedLimits } from '../formats/unpack-limits.js';
import { mayPass } from '../registry/retry.js';
import { Arrival } from '../store/arrival.js';
import { type AddBlobOptions, addBlob, discardDamaged, discardPart, hasBlob } from '../store/blobs.js';
import { setReference } from '../store/index-file.js';
import { inParallel, settled } from './in-parallel.js';
import { unpackedLayers } from './unpacked-layers.js';

/** An image that is to come into the store, and where its blobs are read. */
export interface NewImage {
  readonly descriptor: Descriptor;
  readonly manifest: Manifest;
  readonly config: OciConfig;
  /** Opens a blob's bytes, from byte `from` on. After an abort of `signal` they are of no use any more. */
  readonly openBlob: (blob: Descriptor, from: number, signal: AbortSignal) => Promise<Readable> | Readable;
  /** To be called when a blob's bytes were not its own. Returns whether to open it again. Default: no. */
  readonly mistrust?: (blob: Descriptor) => boolean;
}

export interface AddImageOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ProgressListener | undefined;
  /** How many layers are read at a time. */
  readonly parallel?: number | undefined;
  /** Limits of each layer, as a blob and unpacked. Default: none, for an image that is on this machine already. */
  readonly limits?: ParsedLimits | undefined;
  /** Unpack each layer once it is there, within the limits. Default: don't. */
  readonly unpack?: boolean | undefined;
}

/**
 * Brings an image into the store and gives it a reference (`null`: none). Blobs that are there already are not read. The reference comes
 * last: until then nobody sees the image, and the next try does not bring the same blobs again. A blob that was cut off is kept to go on
 * from when the failure may be temporary, or the caller ended it; of an image that was refused no such part is kept.
 *
 * @throws ImageError when a blob is not what its descriptor says, or has more bytes than a layer may have
 */
export async function addImage(reference: string | null, image: NewImage, options: AddImageOptions = {}): Promise<void> {
  const { descriptor, manifest, config, openBlob, mistrust = () => false } = image;
  const { onProgress, parallel = 3, limits, unpack = false } = options;
  const blobs = [descriptor, manifest.config, ...manifest.layers];
  const held = await hold([...blobs.map(({ digest }) => digest), ...chainIds(config.rootfs.diff_ids)]);
  const stop = new AbortController();
  const signal = options.signal ? AbortSignal.any([options.signal, stop.signal]) : stop.signal;
  const add = (blob: Descriptor, told: Pick<AddBlobOptions, 'onBytes' | 'arrival'> = {}) =>
    addBlob(
      { digest: blob.digest, size: blob.size, open: (from) => openBlob(blob, from, signal), mistrust: () => mistrust(blob) },
      { signal, ...told },
    );
  try {
    if (limits) await checkSizes(manifest.layers, limits);
    const isUnpacked = limits !== undefined && unpack;
    const arrivals = manifest.layers.map(() => new Arrival());
    const adding = inParallel(manifest.layers, parallel, async (layer, index) => {
      const { digest, size: total } = layer;
      const report = (status: 'downloading' | 'downloaded' | 'exists', bytes: number) =>
        onProgress?.({ type: 'layer', status, digest, bytes, total });
      const arrival = isUnpacked ? arrivals[index] : undefined;
      const done = await add(layer, { onBytes: (bytes) => report('downloading', bytes), arrival });
      report(done === 'exists' ? 'exists' : 'downloaded', total);
      signal.throwIfAborted();
    });
    // every layer's arrival ends, also of a layer that was not begun after another one's failure
    const arriving = arrivals.map((arrival, index) => ({
      arrival,
      whole: (adding[index] ?? Promise.resolve()).finally(() => arrival.end()),
    }));
    const stored = { manifest, config, openBlob: (blob: Descriptor) => openBlobIn(storeRoot(), blob) };
    const unpacking = isUnpacked ? [unpackedLayers(stored, { limits, onProgress, signal }, arriving)] : [];
    const all: readonly Promise<unknown>[] = [...arriving.map(({ whole }) => whole), ...unpacking];
    // what is left is of no use without the one that failed
    for (const work of all) work.catch((error: unknown) => stop.abort(error));
    await settled(all);
    // these documents come after the layers, so that whoever finds them finds the whole image
    for (const document of [manifest.config, descriptor]) {
      await discardDamaged(document);
      await add(document);
    }
    await setReference(reference, descriptor);
  } catch (error) {
    // a part that can't be removed goes with the next prune
    if (!options.signal?.aborted && !mayPass(error)) for (const blob of blobs) await discardPart(blob).catch(() => undefined);
    throw error;
  } finally {
    held.release();
  }
}

/** Checks the sizes before a byte comes: no blob may bring more than its descriptor says. */
async function checkSizes(layers: readonly Descriptor[], limits: ParsedLimits): Promise<void> {
  for (const layer of layers) if (!(await hasBlob(layer))) blobCap(limits, `layer ${layer.digest}`, layer.digest)(layer.size);
}

/** A file's bytes, from byte `from` on; the stream closes the file. */
export function streamFrom(file: FileHandle, from: number): Readable {
  return file.createReadStream({ start: from, highWaterMark: 256 * 1024 });
}

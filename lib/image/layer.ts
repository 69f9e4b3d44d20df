import type { FileHandle } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { ImageError, NacelleError } from '../errors.js';
import { binding, closeDescriptor, streamOf } from '../native/load.js';
import { start } from '../native/shim.js';
import type { ProgressListener } from '../plan/progress.js';
import { type Compression, compressionOf, decompression, MAGIC_BYTES } from './decompress.js';
import { Verifier } from './digest.js';
import type { Descriptor } from './oci.js';
import { addLayer, findLayer } from './store/layers.js';
import { DEFAULT_LIMITS, deathOf, unpackPlan } from './unpack.js';

/** A layer to be had: how its blob is opened, and what must come out of it. */
export interface LayerSource {
  /** The blob from its first byte; closed by the reader. What is in it need not be trusted: digest and size are checked. */
  readonly open: () => Promise<FileHandle>;
  readonly descriptor: Descriptor;
  readonly diffId: string;
  readonly chainId: string;
}

/** Layers being unpacked by this copy of the module: a second wish waits for the first. */
const underWay = new Map<string, Promise<string>>();

/**
 * The unpacked layer's root folder; from the store when it is there.
 *
 * @throws ImageError when bytes, sizes or digests are not what the manifest and config promise; nothing is kept then
 */
export async function unpackedLayer(source: LayerSource, onProgress?: ProgressListener): Promise<string> {
  const { digest, size: total } = source.descriptor;
  const there = findLayer(source.chainId);
  if (there !== null) {
    onProgress?.({ type: 'layer', status: 'exists', digest, bytes: total, total });
    return there;
  }
  const running = underWay.get(source.chainId);
  if (running) return running;
  const unpacking = addLayer(source.chainId, (folder) => unpack(source, folder, onProgress))
    .catch((error: unknown) => {
      if (error instanceof NacelleError) throw error;
      throw new ImageError(`store layer ${digest}: ${messageOf(error)}`, { digest, cause: error });
    })
    .finally(() => underWay.delete(source.chainId));
  underWay.set(source.chainId, unpacking);
  return unpacking;
}

async function unpack(source: LayerSource, folder: string, onProgress?: ProgressListener): Promise<void> {
  const { digest, size: total } = source.descriptor;
  const blob = await source.open();
  try {
    const stages = await decompression(await compressionIn(blob));
    const [output, input] = binding().pipe();
    // Given to a stream at once, so that whatever fails it is closed.
    const sink = streamOf(input, { readable: false, writable: true });
    try {
      const { plan, slots } = unpackPlan(output, folder, DEFAULT_LIMITS);
      const task = await start(plan, slots.descriptors).finally(() => closeDescriptor(output));
      const compressed = new Verifier({ digest, size: total, what: 'layer' }, (bytes) =>
        onProgress?.({ type: 'layer', status: 'unpacking', digest, bytes, total }),
      );
      const plain = new Verifier({ digest: source.diffId, what: `the uncompressed layer ${digest}` });
      const bytes = blob.createReadStream({ start: 0, autoClose: false, highWaterMark: 256 * 1024 });
      const fed = pipeline([bytes, compressed, ...stages, plain, sink]);
      // A layer that is not what it should be ends the child, and a child that refuses the layer breaks the pipe.
      const stopped = fed.catch(async (error: unknown) => {
        // settled: a child that had failed by then tells of it by `ended`, and must not hide what was wrong with the bytes
        await Promise.allSettled([task.close()]);
        throw error;
      });
      const [feeding, ending] = await Promise.allSettled([stopped, task.ended]);
      if (feeding.status === 'rejected' && feeding.reason instanceof ImageError) throw feeding.reason;
      if (ending.status === 'rejected')
        throw new ImageError(`unpack layer ${digest}: ${messageOf(ending.reason)}`, { digest, cause: ending.reason });
      if (feeding.status === 'rejected')
        throw new ImageError(`read layer ${digest}: ${messageOf(feeding.reason)}`, { digest, cause: feeding.reason });
      const { exit } = ending.value;
      if (exit.kind !== 'exited' || exit.value !== 0) throw new ImageError(`unpack layer ${digest}: ${deathOf(exit)}`, { digest });
    } finally {
      sink.destroy();
    }
  } finally {
    await blob.close();
  }
  onProgress?.({ type: 'layer', status: 'done', digest, bytes: total, total });
}

/** By content: what a media type says is not always so. */
async function compressionIn(blob: FileHandle): Promise<Compression> {
  const start = Buffer.alloc(MAGIC_BYTES);
  const { bytesRead } = await blob.read(start, 0, start.length, 0);
  return compressionOf(start.subarray(0, bytesRead));
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

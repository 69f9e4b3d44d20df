import type { FileHandle } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { ImageError, NacelleError } from '../../errors.js';
import { containerShim } from '../../host/container-shim.js';
import { lackOf, privilege } from '../../host/privilege.js';
import { storeRoot } from '../../host/store-path.js';
import { closeDescriptor, streamedPipe } from '../../native/load-addon.js';
import { wordsOf } from '../../native/system-errors.js';
import type { ProgressListener } from '../../options/progress.js';
import { deathOf, unpackPlan } from '../../plan/unpack-plan.js';
import { decompression } from '../formats/decompress.js';
import { Verifier } from '../formats/digest.js';
import { chainIds, type Descriptor } from '../formats/image-documents.js';
import type { ImageSource } from '../formats/image-source.js';
import { Cap, limitError, mostBytes, type ParsedLimits } from '../formats/unpack-limits.js';
import { addLayer, findLayer } from '../store/layer-folders.js';
import { HeldFile } from './held-file.js';
import { type ArrivingBlob, arrivingBytes, type LayerBytes, storedBytes } from './layer-bytes.js';
import { SingleFlight } from './single-flight.js';

/** A layer to be unpacked: how its blob is opened, and what must come out of it. */
interface LayerSource {
  /** Opens the blob, once it is there; the reader closes it. What is in it need not be trusted: digest and size are checked. */
  readonly open: () => Promise<FileHandle>;
  /** The blob, when it is only coming. */
  readonly arriving: ArrivingBlob | undefined;
  readonly descriptor: Descriptor;
  readonly diffId: string;
  readonly chainId: string;
  /** The layers that it lies on, unpacked, the topmost first. */
  readonly lower: readonly string[];
}

export interface UnpackOptions {
  readonly limits: ParsedLimits;
  readonly onProgress?: ProgressListener | undefined;
  /** Its abort ends the unpacking, which rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * The root folders of an image's layers, the topmost first: from the store when they are there, else unpacked one on the other. The caller
 * must hold the chain ids before.
 *
 * @param arriving the layers' blobs, when they are only coming: they are unpacked while they come
 * @throws ImageError when bytes, sizes or digests are not what the manifest and config promise; nothing of that layer is kept then
 */
export async function unpackedLayers(
  { manifest, config, openBlob }: Pick<ImageSource, 'manifest' | 'config' | 'openBlob'>,
  options: UnpackOptions,
  arriving: readonly ArrivingBlob[] = [],
): Promise<readonly string[]> {
  const chain = chainIds(config.rootfs.diff_ids);
  let lower: readonly string[] = [];
  for (const [index, descriptor] of manifest.layers.entries()) {
    const diffId = config.rootfs.diff_ids[index] ?? '';
    const chainId = chain[index] ?? '';
    const source = { open: () => openBlob(descriptor), arriving: arriving[index], descriptor, diffId, chainId, lower };
    lower = [await unpackedLayer(source, options), ...lower];
  }
  return lower;
}

/** Layers that this copy of the module is unpacking: a second caller waits for the first. */
const underWay = new SingleFlight<string>();

/** A blob can't be had any more from the caller who was bringing it. */
class NotArrived extends Error {
  readonly source: LayerSource;

  constructor(source: LayerSource, cause: unknown) {
    super('the blob has not come', { cause });
    this.source = source;
  }
}

async function unpackedLayer(source: LayerSource, options: UnpackOptions): Promise<string> {
  // of callers who want the same blob one brings it, and has the file; for the others the blob is there afterwards
  const taken = await source.arriving?.arrival.take();
  const file = taken ? new HeldFile(taken) : null;
  try {
    for (;;) {
      try {
        return await foundOrUnpacked(source, file, options);
      } catch (error) {
        if (!(error instanceof NotArrived)) throw error;
        if (error.source === source) throw error.cause;
        // another caller was bringing it, whom this one has joined
      }
    }
  } finally {
    await file?.release();
  }
}

async function foundOrUnpacked(source: LayerSource, file: HeldFile | null, { signal, ...options }: UnpackOptions): Promise<string> {
  const { digest, size: total } = source.descriptor;
  const { arriving, chainId } = source;
  if (file === null) await arriving?.whole;
  const there = findLayer(chainId);
  if (there !== null) {
    await arriving?.whole;
    options.onProgress?.({ type: 'layer', status: 'exists', digest, bytes: total, total });
    return there;
  }
  const add = async (stop: AbortSignal): Promise<string> => {
    // others may have joined this work, and wait for it when this caller has gone
    file?.hold();
    try {
      return await added(source, file?.handle ?? null, { ...options, signal: stop });
    } catch (error) {
      stop.throwIfAborted();
      if (error instanceof NacelleError || error instanceof NotArrived) throw error;
      throw new ImageError(`store layer ${digest}: ${wordsOf(error)}`, { digest, cause: error });
    } finally {
      await file?.release();
    }
  };
  // a caller that has the blob does not wait for another one that is only getting the blob
  const key = [storeRoot(), chainId, options.limits, ...(arriving ? [digest] : [])];
  return underWay.run(JSON.stringify(key), add, signal);
}

/** Unpacks a layer. @param file the blob that is coming; `null`: it is there */
async function added(source: LayerSource, file: FileHandle | null, options: UnpackOptions): Promise<string> {
  const { arriving, chainId, descriptor } = source;
  const from = (open: (onBytes: (bytes: number) => void) => Promise<LayerBytes>) =>
    addLayer(chainId, (folder) => unpack(source, open, folder, options));
  if (arriving && file) {
    try {
      return await from((onBytes) => arrivingBytes(file, arriving, onBytes));
    } catch (error) {
      options.signal?.throwIfAborted();
      // what is wrong with the blob says more than what came of it
      await arriving.whole.catch((cause: unknown) => {
        throw new NotArrived(source, cause);
      });
      if (!arriving.arrival.isReplaced) throw error;
    }
  }
  const blob = await source.open();
  try {
    return await from((onBytes) => storedBytes(blob, descriptor, onBytes));
  } finally {
    await blob.close();
  }
}

async function unpack(
  source: LayerSource,
  open: (onBytes: (bytes: number) => void) => Promise<LayerBytes>,
  folder: string,
  { limits, onProgress, signal }: UnpackOptions,
): Promise<void> {
  const { digest, size: total } = source.descriptor;
  const blob = await open((bytes) => onProgress?.({ type: 'layer', status: 'unpacking', digest, bytes, total }));
  try {
    const stages = await decompression(blob.compression);
    const { stream: sink, other: output } = streamedPipe('write');
    try {
      const { plan, slots } = unpackPlan({
        input: output,
        target: folder,
        lower: source.lower,
        limits,
        whiteouts: 'overlay',
        by: privilege().kind,
      });
      const task = await containerShim()
        .then((shim) => shim.startPlan(plan, slots.descriptors))
        .finally(() => closeDescriptor(output));
      const cap = new Cap(() => mostBytes(limits, total), { what: `layer ${digest}, uncompressed,`, digest });
      const plain = new Verifier({ digest: source.diffId, what: `the uncompressed layer ${digest}` });
      const fed = pipeline([...blob.stages, ...stages, cap, plain, sink], signal ? { signal } : {});
      // A layer that is not what it should be ends the child, and a child that refuses the layer breaks the pipe.
      const stopped = fed.catch(async (error: unknown) => {
        // a failure of `close` is ignored: a child that had failed by then tells it by `ended`, and it must not hide what was wrong with
        // the bytes
        await Promise.allSettled([task.close()]);
        throw error;
      });
      const [feeding, ending] = await Promise.allSettled([stopped, task.ended]);
      signal?.throwIfAborted();
      if (feeding.status === 'rejected' && feeding.reason instanceof ImageError) throw feeding.reason;
      if (ending.status === 'rejected') throw refusal(digest, ending.reason);
      if (feeding.status === 'rejected')
        throw new ImageError(`read layer ${digest}: ${wordsOf(feeding.reason)}`, { digest, cause: feeding.reason });
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

/** The error for what the unpacking process said of a layer. EDOM is its word for a limit, EOVERFLOW for an owner (layer/failure.h). */
function refusal(digest: string, cause: unknown): ImageError {
  const message = `unpack layer ${digest}: ${wordsOf(cause)}`;
  const [code] = cause instanceof NacelleError ? [cause.code] : [];
  if (code === 'EDOM') return limitError(message, { digest, cause });
  const own = privilege();
  if (code !== 'EOVERFLOW' || own.kind === 'root') return new ImageError(message, { digest, cause });
  const { reason, fix } = lackOf(own);
  return new ImageError(`${message}: ${reason}. ${fix}`, { digest, cause });
}

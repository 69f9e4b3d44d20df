import { Readable } from 'node:stream';
import { addCompressed, type MadeLayer } from '../../image/layers/add-compressed.js';
import type { KnownBytes } from '../files/known-bytes.js';
import type { LayerFile } from '../files/layer-file.js';
import { layerTar } from '../files/layer-tar.js';

/**
 * Brings files into the store, as a layer.
 *
 * @param options.latest no file has a later time; seconds since the epoch, `null` for none
 * @param options.known SHA-256 of files' bytes as they were before, by their paths in the tree that they come from
 * @throws the reason of `options.signal`; as {@link layerTar}
 */
export async function addLayer(
  files: Iterable<LayerFile>,
  options: {
    readonly latest: number | null;
    readonly known?: KnownBytes | undefined;
    readonly signal?: AbortSignal | undefined;
  },
): Promise<MadeLayer> {
  const { latest, known, signal } = options;
  const layer = await addCompressed(Readable.from(checked(layerTar(files, latest, known), signal), { objectMode: false }));
  if (signal?.aborted) layer.release();
  signal?.throwIfAborted();
  return layer;
}

async function* checked(chunks: AsyncIterable<Buffer>, signal: AbortSignal | undefined): AsyncGenerator<Buffer, void, undefined> {
  for await (const chunk of chunks) {
    signal?.throwIfAborted();
    yield chunk;
  }
}

import { Readable } from 'node:stream';
import { ImageError, invalidOption, UnsupportedError } from '../errors.js';
import { wordsOf } from '../native/system-errors.js';
import { digestOf, parseDigest } from './formats/digest.js';
import { type Descriptor, MAX_JSON } from './formats/image-documents.js';
import type { ImageSource } from './formats/image-source.js';
import { formatReference, type RegistryReference } from './formats/reference.js';
import { type ParsedPush, registrySettings } from './image-options.js';
import { inParallel, settled } from './layers/in-parallel.js';
import { endpointOf } from './registry/endpoint.js';
import { Repository } from './registry/repository.js';
import { readAll } from './registry/transport.js';
import { pushBlob } from './registry/upload.js';
import { neighbours } from './store/stored-images.js';

/** What is pushed: an image, or another artefact. */
type Documents = Pick<ImageSource, 'descriptor' | 'manifest' | 'openBlob' | 'index'>;

/**
 * Brings an image to a registry: those of its blobs that are missing there, then its manifest under the tag, byte by byte as it is here. Of an
 * image for several platforms all are brought there, by their digests, and the index under the tag.
 *
 * @returns the digest of the manifest or of the index
 * @throws ImageError when it may not be put there, or a blob is damaged; the signal's reason
 */
export async function push(image: Documents, reference: RegistryReference, options: ParsedPush): Promise<string> {
  const name = formatReference(reference);
  const { tag } = reference;
  if (tag === null || reference.digest !== null)
    throw invalidOption('reference', `${JSON.stringify(name)} has a digest, which is not given but follows from the bytes`);
  const { cancelSignal, onProgress, parallel, chunkSize } = options;
  const repository = await Repository.open(endpointOf(reference), registrySettings(options), 'pull,push');
  try {
    const repositories = await neighbours(reference);
    const { index } = image;
    const images = index ? await Promise.all(index.manifests.map((manifest) => index.image(manifest))) : [image];
    const layers = images.flatMap(({ manifest }) => manifest.layers);
    const sending = inParallel(unique(layers), parallel, async (blob) => {
      const { digest, size: total } = blob;
      const report = (status: 'uploading' | 'uploaded' | 'exists', bytes: number): void =>
        onProgress?.({ type: 'layer', status, digest, bytes, total });
      const onBytes = (bytes: number): void => report('uploading', bytes);
      const done = await pushBlob(repository, { blob, open: opener(image, blob), from: repositories.get(digest), chunkSize, onBytes });
      report(done === 'exists' ? 'exists' : 'uploaded', total);
    });
    await settled(sending);
    for (const config of unique(images.map(({ manifest }) => manifest.config)))
      await pushBlob(repository, { blob: config, open: opener(image, config), from: repositories.get(config.digest), chunkSize });
    const pushDocument = async (as: string, descriptor: Descriptor): Promise<void> => {
      const bytes = await readAll(await opener(image, descriptor)(0, descriptor.size), MAX_JSON, 'the manifest');
      const found = digestOf(bytes, parseDigest(descriptor.digest).algorithm);
      if (found !== descriptor.digest)
        throw new ImageError(`manifest ${descriptor.digest} is damaged: its bytes have the digest ${found}`, { reference: name });
      await repository.pushManifest(as, { descriptor, bytes });
    };
    if (index) for (const { descriptor } of images) await pushDocument(descriptor.digest, descriptor);
    const { descriptor } = index ?? image;
    await pushDocument(tag, descriptor);
    return descriptor.digest;
  } catch (error) {
    cancelSignal?.throwIfAborted();
    if (error instanceof ImageError || error instanceof UnsupportedError) throw error;
    throw new ImageError(`push ${name}: ${wordsOf(error) || 'no connection'}`, {
      reference: name,
      cause: error,
    });
  } finally {
    await repository.close();
  }
}

/** The blobs, each once: layers may repeat. */
function unique(blobs: readonly Descriptor[]): Descriptor[] {
  return [...new Map(blobs.map((blob) => [blob.digest, blob])).values()];
}

function opener(image: Documents, blob: Descriptor) {
  return async (start: number, end: number): Promise<Readable> => {
    if (start >= end) return Readable.from([]);
    return (await image.openBlob(blob)).createReadStream({ start, end: end - 1, highWaterMark: 256 * 1024 });
  };
}

import { ImageError } from '../../errors.js';
import { hold } from '../../store/lease.js';
import type { Descriptor } from '../formats/image-documents.js';
import type { ImageIndex } from '../formats/image-source.js';
import { hasBlob } from '../store/blobs.js';
import { setReference } from '../store/index-file.js';

/**
 * Gives an index of the store another name.
 *
 * @throws ImageError `ERR_NO_IMAGE` when some of it was removed meanwhile: it came from nowhere else
 */
export async function nameIndex(reference: string, index: ImageIndex): Promise<void> {
  const images = await Promise.all(index.manifests.map((manifest) => index.image(manifest)));
  const blobs: readonly Descriptor[] = [
    index.descriptor,
    ...images.flatMap(({ descriptor, manifest }) => [descriptor, manifest.config, ...manifest.layers]),
  ];
  const held = await hold(blobs.map(({ digest }) => digest));
  try {
    for (const blob of blobs)
      if (!(await hasBlob(blob)))
        throw new ImageError(`blob ${blob.digest} was removed from the store meanwhile`, { digest: blob.digest, code: 'ERR_NO_IMAGE' });
    await setReference(reference, index.descriptor);
  } finally {
    held.release();
  }
}

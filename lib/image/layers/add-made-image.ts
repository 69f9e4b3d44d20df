import { hold } from '../../store/lease.js';
import { digestOf } from '../formats/digest.js';
import { type Descriptor, MEDIA } from '../formats/image-documents.js';
import { addBytes, type StoredLayer } from '../store/blobs.js';
import { setReference } from '../store/index-file.js';

/** An image that is in the store now. */
export interface Loaded {
  /** The full name; `null`: the source has no name for it. */
  readonly reference: string | null;
  /** The digest of the manifest. */
  readonly digest: string;
}

/**
 * Makes an image of layers that are in the store (and held) and a config, and gives it references. The same input gives the same
 * bytes.
 */
export async function addMadeImage(
  references: readonly (string | null)[],
  { config, layers }: { readonly config: Uint8Array; readonly layers: readonly (StoredLayer | Descriptor)[] },
): Promise<Loaded[]> {
  const settings: Descriptor = { mediaType: MEDIA.config, digest: digestOf(config), size: config.length };
  const manifest = Buffer.from(
    JSON.stringify({ schemaVersion: 2, mediaType: MEDIA.manifest, config: settings, layers: layers.map(layerDescriptor) }),
  );
  const descriptor: Descriptor = { mediaType: MEDIA.manifest, digest: digestOf(manifest), size: manifest.length };
  const held = await hold([settings.digest, descriptor.digest]);
  try {
    await addBytes(config);
    await addBytes(manifest);
    for (const reference of references) await setReference(reference, descriptor);
    return references.map((reference) => ({ reference, digest: descriptor.digest }));
  } finally {
    held.release();
  }
}

function layerDescriptor(layer: StoredLayer | Descriptor): Descriptor {
  if ('mediaType' in layer) return layer;
  const { digest, size, compression } = layer;
  return { mediaType: compression === 'none' ? MEDIA.layer : `${MEDIA.layer}+${compression}`, digest, size };
}

import { hold } from '../../store/lease.js';
import { digestOf } from '../formats/digest.js';
import { type Descriptor, MEDIA } from '../formats/image-documents.js';
import type { Platform } from '../formats/platform.js';
import { addBytes, type StoredLayer } from '../store/blobs.js';
import { setReference } from '../store/index-file.js';

/** An image that is in the store now. */
export interface Loaded {
  /** The full name; `null`: the source has no name for it. */
  readonly reference: string | null;
  /** The digest of the manifest. */
  readonly digest: string;
}

/** What an image is made of: layers that are in the store (and held) and a config. */
export interface MadeImage {
  readonly config: Uint8Array;
  readonly layers: readonly (StoredLayer | Descriptor)[];
}

/** A document, and what names it. */
interface Document {
  readonly descriptor: Descriptor;
  readonly bytes: Uint8Array;
}

/** Makes an image, and gives it references. The same input gives the same bytes. */
export async function addMadeImage(references: readonly (string | null)[], image: MadeImage): Promise<Loaded[]> {
  const { config, manifest } = documentsOf(image);
  await addDocuments(references, [config, manifest]);
  return references.map((reference) => ({ reference, digest: manifest.descriptor.digest }));
}

/**
 * Makes an image for each platform, and an index of them, which gets the references. The same input gives the same bytes.
 *
 * @returns the digest of the index
 */
export async function addMadeIndex(
  references: readonly (string | null)[],
  images: readonly (MadeImage & { readonly platform: Platform })[],
): Promise<string> {
  const made = images.map((image) => ({ ...documentsOf(image), platform: image.platform }));
  const manifests = made.map(({ manifest, platform }) => ({ ...manifest.descriptor, platform }));
  const index = documentOf(MEDIA.index, { schemaVersion: 2, mediaType: MEDIA.index, manifests });
  await addDocuments(references, [...made.flatMap(({ config, manifest }) => [config, manifest]), index]);
  return index.descriptor.digest;
}

function documentsOf({ config, layers }: MadeImage): { readonly config: Document; readonly manifest: Document } {
  const settings: Descriptor = { mediaType: MEDIA.config, digest: digestOf(config), size: config.length };
  const manifest = { schemaVersion: 2, mediaType: MEDIA.manifest, config: settings, layers: layers.map(layerDescriptor) };
  return { config: { descriptor: settings, bytes: config }, manifest: documentOf(MEDIA.manifest, manifest) };
}

function documentOf(mediaType: string, content: object): Document {
  const bytes = Buffer.from(JSON.stringify(content));
  return { descriptor: { mediaType, digest: digestOf(bytes), size: bytes.length }, bytes };
}

/** Puts documents into the store, and then gives the last of them the references. */
async function addDocuments(references: readonly (string | null)[], documents: readonly Document[]): Promise<void> {
  const held = await hold(documents.map(({ descriptor }) => descriptor.digest));
  try {
    for (const { bytes } of documents) await addBytes(bytes);
    const named = documents.at(-1);
    if (named) for (const reference of references) await setReference(reference, named.descriptor);
  } finally {
    held.release();
  }
}

function layerDescriptor(layer: StoredLayer | Descriptor): Descriptor {
  if ('mediaType' in layer) return layer;
  const { digest, size, compression } = layer;
  return { mediaType: compression === 'none' ? MEDIA.layer : `${MEDIA.layer}+${compression}`, digest, size };
}

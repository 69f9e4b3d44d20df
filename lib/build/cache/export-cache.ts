import { storeRoot } from '../../host/store-path.js';
import { save } from '../../image/archives/save.js';
import { asImageErrors } from '../../image/as-image-errors.js';
import { digestOf } from '../../image/formats/digest.js';
import { type Descriptor, type Manifest, MEDIA } from '../../image/formats/image-documents.js';
import { openBlobIn } from '../../image/formats/oci-layout.js';
import { pushOptions } from '../../image/image-options.js';
import type { MadeLayer } from '../../image/layers/add-compressed.js';
import { push } from '../../image/push.js';
import { addBytes } from '../../image/store/blobs.js';
import { hold } from '../../store/lease.js';
import { CACHE_CONFIG, type CacheRecord, cacheDocuments } from './cache-config.js';
import { type CachePlace, placeName } from './cache-places.js';

/** What came of a step of this build. */
export interface CarriedOutStep extends CacheRecord {
  /** Held. */
  readonly layer: MadeLayer | null;
}

/**
 * Brings what came of steps to a registry or into a folder, in the place of what was there under the name. Layers that are there already are not
 * sent.
 *
 * @throws ImageError when it can't be written; the signal's reason
 */
export async function exportCache(steps: readonly CarriedOutStep[], place: CachePlace, signal: AbortSignal): Promise<void> {
  const reference = placeName(place);
  await asImageErrors(`bring the build cache to ${reference}`, () => brought(steps, place, signal), { reference, signal });
}

async function brought(steps: readonly CarriedOutStep[], place: CachePlace, signal: AbortSignal): Promise<void> {
  const { config, layers } = cacheDocuments(steps);
  const settings: Descriptor = { mediaType: CACHE_CONFIG, digest: digestOf(config), size: config.length };
  const manifest: Manifest = { schemaVersion: 2, mediaType: MEDIA.manifest, config: settings, layers: [...layers] };
  const bytes = Buffer.from(JSON.stringify(manifest));
  const descriptor: Descriptor = { mediaType: MEDIA.manifest, digest: digestOf(bytes), size: bytes.length };
  const made = new Map(steps.flatMap(({ layer }) => (layer ? [[layer.digest, layer] as const] : [])));
  const held = await hold([settings.digest, descriptor.digest]);
  try {
    await addBytes(config);
    await addBytes(bytes);
    const source = {
      ...{ reference: placeName(place), tag: place.tag, descriptor, manifest },
      openBlob: async (blob: Descriptor) => {
        // what came from a cache and was not needed here is fetched for the next one
        await made.get(blob.digest)?.bring?.();
        return openBlobIn(storeRoot(), blob);
      },
    };
    if (place.kind === 'registry') await push(source, place, { ...pushOptions.parse({}), cancelSignal: signal });
    else await save(source, `${place.path}/`, 'oci');
  } finally {
    held.release();
  }
}

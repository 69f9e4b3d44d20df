import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Readable } from 'node:stream';
import { ImageError, invalidOption } from '../../errors.js';
import { digestOf, parseDigest } from '../../image/formats/digest.js';
import { type Descriptor, MAX_JSON, mediaTypeOf, tagOf } from '../../image/formats/image-documents.js';
import { blobName, OciLayout, openBlobIn, splitLocation } from '../../image/formats/oci-layout.js';
import { readSmall } from '../../image/formats/read-small.js';
import { formatReference, parseReference, type RegistryReference } from '../../image/formats/reference.js';
import { pullOptions, registrySettings } from '../../image/image-options.js';
import { streamFrom } from '../../image/layers/add-image.js';
import { endpointOf } from '../../image/registry/endpoint.js';
import { Repository } from '../../image/registry/repository.js';
import { readAll } from '../../image/registry/transport.js';

/** Where a cache is, or is to be: at a registry, or in the folder of an OCI layout. */
export type CachePlace = RegistryReference | { readonly kind: 'oci'; readonly path: string; readonly tag: string };

/** Takes 'NAME' or 'oci:FOLDER[:TAG]' apart. @throws NacelleError `ERR_INVALID_OPTION` */
export function cachePlace(option: string, text: string): CachePlace {
  const reference = parseReference(text, option);
  if (reference.kind === 'registry') return reference;
  if (reference.kind !== 'oci')
    throw invalidOption(option, `${JSON.stringify(text)} must be a name at a registry, or 'oci:FOLDER' or 'oci:FOLDER:TAG'`);
  const { path, tag } = splitLocation(reference.location);
  return { kind: 'oci', path: resolve(path), tag: tag ?? 'latest' };
}

export function placeName(place: CachePlace): string {
  return place.kind === 'registry' ? formatReference(place) : `oci:${place.path}:${place.tag}`;
}

/** A cache that can be read: nothing of it is believed that a digest doesn't say, but what its documents say of steps. */
export interface CacheReader {
  /** The bytes of the manifest, which fit its digest. */
  readonly manifest: Uint8Array;
  /** A small blob, verified. @throws ImageError */
  document(blob: Descriptor): Promise<Uint8Array>;
  /** Whether a blob is there. @throws ImageError */
  has(blob: Pick<Descriptor, 'digest' | 'size'>): Promise<boolean>;
  /** A blob's bytes from byte `from` on, which the reader verifies. @throws ImageError */
  open(blob: Pick<Descriptor, 'digest' | 'size'>, from: number): Promise<Readable>;
  close(): Promise<void>;
}

/** @returns `null`: there is nothing yet @throws ImageError when it can't be read; the signal's reason */
export async function openCachePlace(place: CachePlace, signal: AbortSignal): Promise<CacheReader | null> {
  return place.kind === 'registry' ? atRegistry(place, signal) : inFolder(place);
}

async function atRegistry(place: RegistryReference, signal: AbortSignal): Promise<CacheReader | null> {
  const settings = registrySettings({ ...pullOptions.parse({}), cancelSignal: signal });
  const repository = await Repository.open(endpointOf(place), settings, 'pull');
  try {
    const { descriptor, bytes } = await repository.manifest(place.digest ?? place.tag ?? 'latest');
    mediaTypeOf(bytes, descriptor.mediaType, placeName(place));
    return {
      manifest: bytes,
      document: async (blob) => verified(await readAll(repository.blob(small(blob)), blob.size, blob.digest), blob),
      has: ({ digest }) => repository.hasBlob(digest),
      open: async ({ digest, size }, from) => repository.blob({ mediaType: '', digest, size }, from),
      close: () => repository.close(),
    };
  } catch (error) {
    await repository.close();
    if (error instanceof ImageError && error.code === 'ERR_NO_IMAGE') return null;
    throw error;
  }
}

async function inFolder({ path, tag }: Exclude<CachePlace, RegistryReference>): Promise<CacheReader | null> {
  if (!existsSync(join(path, 'oci-layout'))) return null;
  const entry = (await OciLayout.open(path)).entries.find((one) => tagOf(one) === tag);
  if (!entry) return null;
  const document = async (blob: Descriptor): Promise<Uint8Array> =>
    verified(await readSmall(join(path, blobName(small(blob).digest)), blob.digest), blob);
  const manifest = await document(entry);
  mediaTypeOf(manifest, entry.mediaType, `oci:${path}:${tag}`);
  const opened = ({ digest, size }: Pick<Descriptor, 'digest' | 'size'>) => openBlobIn(path, { mediaType: '', digest, size });
  return {
    manifest,
    document,
    has: async (blob) => {
      try {
        await (await opened(blob)).close();
        return true;
      } catch (error) {
        if (error instanceof ImageError) return false;
        throw error;
      }
    },
    open: async (blob, from) => streamFrom(await opened(blob), from),
    close: async () => undefined,
  };
}

function small(blob: Descriptor): Descriptor {
  if (blob.size <= MAX_JSON) return blob;
  throw new ImageError(`document ${blob.digest} is larger than ${MAX_JSON} bytes`, { digest: blob.digest });
}

function verified(bytes: Uint8Array, { digest, size }: Descriptor): Uint8Array {
  const found = digestOf(bytes, parseDigest(digest).algorithm);
  if (found === digest && bytes.length === size) return bytes;
  throw new ImageError(`document ${digest} is damaged or forged: its ${bytes.length} bytes have the digest ${found}`, { digest });
}

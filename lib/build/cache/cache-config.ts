import * as z from 'zod';
import { ImageError } from '../../errors.js';
import { isDigest } from '../../image/formats/digest.js';
import { type Descriptor, MEDIA } from '../../image/formats/image-documents.js';
import { parseJson } from '../../image/formats/json.js';

// The documents of a build cache that travels, as BuildKit has them (cache/remotecache/v1/spec.go): a manifest with the layers, whose config says
// which step each layer came of. The keys of steps are this library's own.

/** The media type of the config. */
export const CACHE_CONFIG = 'application/vnd.buildkit.cacheconfig.v0';

/** Where a layer's descriptor has the digest of the uncompressed tar, as containerd writes it, and when the layer was made. */
const DIFF_ID = 'containerd.io/uncompressed';
const CREATED_AT = 'buildkit/createdat';

const LAYER_TYPE = /^application\/vnd\.(?:oci\.image\.layer\.v1\.tar(?:\+(gzip|zstd))?|docker\.image\.rootfs\.diff\.tar(?:\.(gzip))?)$/;

const digest = z.string().refine(isDigest, 'must be a sha256 or sha512 digest');
const descriptor = z.looseObject({
  mediaType: z.string(),
  digest,
  size: z.int().min(0),
  annotations: z.record(z.string(), z.string()).nullish(),
});
// older versions of BuildKit write an index, newer ones a manifest
const manifest = z.looseObject({
  schemaVersion: z.literal(2),
  config: descriptor.optional(),
  layers: z.array(descriptor).max(20_000).nullish(),
  manifests: z.array(descriptor).max(20_000).nullish(),
});
const config = z.looseObject({
  layers: z.array(z.looseObject({ blob: z.string() })).nullish(),
  records: z
    .array(
      z.looseObject({
        digest: z.string().optional(),
        layers: z.array(z.looseObject({ layer: z.int(), createdAt: z.string().optional() })).nullish(),
      }),
    )
    .nullish(),
});

/** What came of a step, somewhere else. */
export interface CacheRecord {
  /** The key of the step. */
  readonly key: string;
  /** `null`: the step changed nothing. */
  readonly layer: CacheLayer | null;
  /** When the layer was made; seconds since the epoch. */
  readonly created: number;
}

export interface CacheLayer {
  readonly digest: string;
  readonly size: number;
  readonly compression: 'gzip' | 'zstd' | 'none';
  readonly diffId: string;
}

function parse<T>(schema: z.ZodType<T>, what: string, bytes: Uint8Array): T {
  const { success, data, error } = schema.safeParse(parseJson(bytes, what));
  if (success) return data;
  const [issue] = error.issues;
  throw new ImageError(`${what} is malformed: ${issue?.path.map(String).join('.') ?? ''}: ${issue?.message ?? ''}`, { cause: error });
}

/**
 * The layers of a cache, and which document says what they are of.
 *
 * @throws ImageError, `ERR_NO_IMAGE` when it is something else than a cache
 */
export function parseCacheManifest(
  bytes: Uint8Array,
  what: string,
): { readonly config: Descriptor; readonly layers: readonly Descriptor[] } {
  const { config: own, layers, manifests } = parse(manifest, what, bytes);
  const all = own ? [own, ...(layers ?? [])] : (manifests ?? []);
  const found = all.find(({ mediaType }) => mediaType === CACHE_CONFIG);
  if (!found) throw new ImageError(`${what} is no build cache`, { code: 'ERR_NO_IMAGE' });
  return { config: found, layers: all.filter((one) => one !== found) };
}

/**
 * The records of a cache. Those that don't say all of a layer are left out: BuildKit's own have keys that no step here has.
 *
 * @throws ImageError for what is no such document
 */
export function parseCacheConfig(bytes: Uint8Array, layers: readonly Descriptor[], what: string): CacheRecord[] {
  const { layers: blobs, records } = parse(config, what, bytes);
  const described = new Map(layers.map((layer) => [layer.digest, layer]));
  return (records ?? []).flatMap(({ digest: key, layers: results }): CacheRecord[] => {
    if (key === undefined || !isDigest(key)) return [];
    const [result] = results ?? [];
    if (!result) return [{ key, layer: null, created: 0 }];
    const layer = layerOf(described.get(blobs?.[result.layer]?.blob ?? ''));
    const created = Math.floor(Date.parse(result.createdAt ?? '') / 1000);
    return layer ? [{ key, layer, created: created >= 0 && created <= LATEST ? created : 0 }] : [];
  });
}

/** The last second of the year 9999, which ISO 8601 has four digits for. */
const LATEST = 253_402_300_799;

function layerOf(found: Descriptor | undefined): CacheLayer | null {
  const diffId = found?.annotations?.[DIFF_ID] ?? '';
  const [type, oci, docker] = LAYER_TYPE.exec(found?.mediaType ?? '') ?? [];
  if (!found || type === undefined || !isDigest(diffId)) return null;
  const compression = oci ?? docker ?? 'none';
  const { digest: blob, size } = found;
  return { digest: blob, size, compression: compression === 'gzip' || compression === 'zstd' ? compression : 'none', diffId };
}

/** The documents of a cache. The same records give the same bytes, whatever their order. */
export function cacheDocuments(records: readonly CacheRecord[]): { readonly config: Buffer; readonly layers: readonly Descriptor[] } {
  const sorted = records.toSorted(({ key: a }, { key: b }) => (a < b ? -1 : a > b ? 1 : 0));
  const layers = new Map<string, Descriptor>();
  for (const { layer, created } of sorted) if (layer && !layers.has(layer.digest)) layers.set(layer.digest, descriptorOf(layer, created));
  const indexes = new Map([...layers.keys()].map((blob, index) => [blob, index]));
  const document = {
    layers: [...layers.keys()].map((blob) => ({ blob, parent: -1 })),
    records: sorted.map(({ key, layer, created }) => ({
      digest: key,
      ...(layer ? { layers: [{ layer: indexes.get(layer.digest), createdAt: timeOf(created) }] } : {}),
    })),
  };
  return { config: Buffer.from(JSON.stringify(document)), layers: [...layers.values()] };
}

function descriptorOf({ digest: blob, size, compression, diffId }: CacheLayer, created: number): Descriptor {
  const mediaType = compression === 'none' ? MEDIA.layer : `${MEDIA.layer}+${compression}`;
  return { mediaType, digest: blob, size, annotations: { [DIFF_ID]: diffId, [CREATED_AT]: timeOf(created) } };
}

function timeOf(seconds: number): string {
  return new Date(seconds * 1000).toISOString().replace('.000Z', 'Z');
}

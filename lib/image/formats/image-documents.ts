import * as z from 'zod';
import { ImageError } from '../../errors.js';
import { digestOf, isDigest } from './digest.js';
import { parseJson } from './json.js';

// The JSON of the OCI image specification 1.1 and of docker's schema 2. Unknown members are let through, as the
// specification asks; what is read is checked, for an image is written by strangers.

/** The largest JSON document that is read: what registries commonly accept for a manifest. */
export const MAX_JSON = 4 * 1024 * 1024;

const REF_NAME = 'org.opencontainers.image.ref.name';

const digest = z.string().refine(isDigest, 'must be a sha256 or sha512 digest');
const strings = z.array(z.string()).nullish();
const names = z.record(z.string(), z.unknown()).nullish();

const platform = z.looseObject({ os: z.string(), architecture: z.string(), variant: z.string().optional() });

const descriptor = z.looseObject({
  mediaType: z.string().default(''),
  digest,
  size: z.int().min(0),
  annotations: z.record(z.string(), z.string()).nullish(),
  platform: platform.nullish(),
});
export type Descriptor = z.infer<typeof descriptor>;

const layoutFile = z.looseObject({ imageLayoutVersion: z.string().regex(/^1\./, 'must be a version 1') });

const index = z.looseObject({ schemaVersion: z.literal(2), mediaType: z.string().optional(), manifests: z.array(descriptor).max(10_000) });
export type Index = z.infer<typeof index>;

const manifest = z.looseObject({
  schemaVersion: z.literal(2),
  mediaType: z.string().optional(),
  config: descriptor,
  layers: z.array(descriptor).max(500),
});
export type Manifest = z.infer<typeof manifest>;

const config = z.looseObject({
  architecture: z.string().optional(),
  variant: z.string().optional(),
  os: z.string().optional(),
  created: z.string().nullish(),
  config: z
    .looseObject({
      Env: strings,
      Cmd: strings,
      Entrypoint: strings,
      WorkingDir: z.string().nullish(),
      User: z.string().nullish(),
      ExposedPorts: names,
      Volumes: names,
      Labels: z.record(z.string(), z.string()).nullish(),
      StopSignal: z.string().nullish(),
      Healthcheck: z
        .looseObject({
          Test: strings,
          Interval: z.number().nullish(),
          Timeout: z.number().nullish(),
          StartPeriod: z.number().nullish(),
          StartInterval: z.number().nullish(),
          Retries: z.number().nullish(),
        })
        .nullish(),
    })
    .nullish(),
  rootfs: z.looseObject({ type: z.literal('layers'), diff_ids: z.array(digest).max(500) }),
  history: z.array(z.looseObject({ empty_layer: z.boolean().optional() })).nullish(),
});
export type OciConfig = z.infer<typeof config>;

function parse<T>(schema: z.ZodType<T>, what: string, bytes: Uint8Array): T {
  const result = schema.safeParse(parseJson(bytes, what));
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const place = issue?.path.map(String).join('.') ?? '';
  throw new ImageError(`${what} is malformed: ${place === '' ? '' : `${place}: `}${issue?.message ?? 'unknown problem'}`, {
    cause: result.error,
  });
}

export function parseLayoutFile(bytes: Uint8Array): void {
  parse(layoutFile, 'oci-layout', bytes);
}

export function parseIndex(bytes: Uint8Array, what: string): Index {
  return parse(index, what, bytes);
}

export function parseManifest(bytes: Uint8Array, what: string): Manifest {
  return parse(manifest, what, bytes);
}

export function parseConfig(bytes: Uint8Array, what: string): OciConfig {
  return parse(config, what, bytes);
}

/** What this library writes (media-types.md). */
export const MEDIA = {
  index: 'application/vnd.oci.image.index.v1+json',
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  config: 'application/vnd.oci.image.config.v1+json',
  layer: 'application/vnd.oci.image.layer.v1.tar',
} as const;

const INDEX_TYPES = new Set(['application/vnd.oci.image.index.v1+json', 'application/vnd.docker.distribution.manifest.list.v2+json']);
const MANIFEST_TYPES = new Set(['application/vnd.oci.image.manifest.v1+json', 'application/vnd.docker.distribution.manifest.v2+json']);
const CONFIG_TYPES = new Set(['application/vnd.oci.image.config.v1+json', 'application/vnd.docker.container.image.v1+json']);
const LAYER_TYPES =
  /^application\/vnd\.(?:oci\.image\.layer(?:\.nondistributable)?\.v1\.tar(?:\+(?:gzip|zstd))?|docker\.image\.rootfs\.(?:diff|foreign\.diff)\.tar(?:\.(?:gzip|zstd))?)$/;

/** The media types that a registry is asked for. */
export const ACCEPTED: readonly string[] = [...INDEX_TYPES, ...MANIFEST_TYPES];

const kind = z.looseObject({
  mediaType: z.string().optional(),
  manifests: z.unknown().optional(),
  config: z.unknown().optional(),
  layers: z.unknown().optional(),
});

/**
 * The media type of a manifest, by its bytes and by what the registry, or a descriptor, says of it. A document that is an index as well, or
 * that names another type itself, could be taken for another image by another reader with the same digest.
 *
 * @throws ImageError
 */
export function mediaTypeOf(bytes: Uint8Array, said: string, what: string): string {
  const { mediaType, manifests, config: settings, layers } = parse(kind, what, bytes);
  const type = mediaType ?? said;
  const isBoth = manifests !== undefined && (settings !== undefined || layers !== undefined);
  if (isBoth || (mediaType !== undefined && ACCEPTED.includes(said) && said !== mediaType))
    throw new ImageError(
      `${what} is ambiguous: what leads to it says ${JSON.stringify(said)}, it itself ${JSON.stringify(mediaType ?? 'nothing')}`,
    );
  return type;
}

export function isIndex({ mediaType }: Descriptor): boolean {
  return INDEX_TYPES.has(mediaType);
}

export function isManifest({ mediaType }: Descriptor): boolean {
  return MANIFEST_TYPES.has(mediaType);
}

/** OCI's name of a layer's type, when the type is docker's: gzip, zstd or none. */
export function ociLayerType(mediaType: string): string {
  const [, compression] = /\.tar(?:\.(gzip|zstd))?$/.exec(mediaType) ?? [];
  return mediaType.startsWith('application/vnd.docker.') ? `${MEDIA.layer}${compression ? `+${compression}` : ''}` : mediaType;
}

/**
 * Checks what can be checked of a manifest and its config before a layer is read.
 *
 * @throws ImageError for an artefact that is no image, a layer type that is unknown (encrypted ones are), or a count of layers that differs
 */
export function checkManifest(source: Manifest, settings: OciConfig): void {
  const unknown = source.layers.filter(({ mediaType }) => !LAYER_TYPES.test(mediaType));
  if (unknown[0]) {
    const { mediaType, digest } = unknown[0];
    // a signature has an image's config, but no layer of an image; what is encrypted is an image
    const isImage = source.layers.some(({ mediaType: type }) => /^application\/vnd\.(?:oci|docker)\.image\./.test(type));
    const code = isImage ? 'ERR_IMAGE' : 'ERR_NO_IMAGE';
    throw new ImageError(`layer ${digest} has the unknown media type ${JSON.stringify(mediaType)}`, { digest, code });
  }
  const layers = source.layers.length;
  const diffIds = settings.rootfs.diff_ids.length;
  if (layers !== diffIds)
    throw new ImageError(`the manifest has ${layers} layers, its config ${diffIds} diff_ids`, { digest: source.config.digest });
  if (layers === 0) throw new ImageError('the image has no layer', { digest: source.config.digest });
}

/** @throws ImageError when the manifest is of some other kind of artefact */
export function checkConfigType({ config: { mediaType, digest } }: Manifest): void {
  if (!CONFIG_TYPES.has(mediaType))
    throw new ImageError(`this is an artefact of type ${JSON.stringify(mediaType)}, not an image`, { digest, code: 'ERR_NO_IMAGE' });
}

/** The content of the file oci-layout (image-layout.md). */
export const LAYOUT_FILE = JSON.stringify({ imageLayoutVersion: '1.0.0' });

const CONTAINERD_NAME = 'io.containerd.image.name';

/** The descriptor as an entry of an index, with that tag or without any; `name`: the image's name in full, as docker writes it. */
export function withName(entry: Descriptor, { tag, name = null }: { tag: string | null; name?: string | null }): Descriptor {
  const { [REF_NAME]: _, [CONTAINERD_NAME]: ___, ...others } = entry.annotations ?? {};
  const annotations = { ...others, ...(tag === null ? {} : { [REF_NAME]: tag }), ...(name === null ? {} : { [CONTAINERD_NAME]: name }) };
  const { annotations: __, ...rest } = entry;
  return Object.keys(annotations).length === 0 ? rest : { ...rest, annotations };
}

export function tagOf({ annotations }: Descriptor): string | null {
  return annotations?.[REF_NAME] ?? null;
}

/**
 * The full name of the image, where an entry has one: containerd's annotation, which docker writes too, or a reference with a name and not
 * a mere tag.
 */
export function imageNameOf(entry: Descriptor): string | null {
  const tag = tagOf(entry);
  return entry.annotations?.[CONTAINERD_NAME] ?? (tag !== null && /[/:@]/.test(tag) ? tag : null);
}

/** Names each layer together with those below it: unpacked layers that lie on the same ones are shared (config.md, "Layer ChainID"). */
export function chainIds(diffIds: readonly string[]): string[] {
  const chain: string[] = [];
  for (const diffId of diffIds) {
    const parent = chain.at(-1);
    chain.push(parent === undefined ? diffId : digestOf(`${parent} ${diffId}`));
  }
  return chain;
}

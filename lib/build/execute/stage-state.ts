import { storeRoot } from '../../host/store-path.js';
import type { Descriptor, Manifest, OciConfig } from '../../image/formats/image-documents.js';
import { MEDIA } from '../../image/formats/image-documents.js';
import type { ImageSource } from '../../image/formats/image-source.js';
import { openBlobIn } from '../../image/formats/oci-layout.js';
import { currentPlatform, type Platform } from '../../image/formats/platform.js';
import { Image } from '../../image/image.js';
import type { MadeLayer } from '../../image/layers/add-compressed.js';
import type { StageScope } from '../language/scopes.js';
import type { History, StageConfig } from './stage-config.js';

/** Layers, the lowest first, and where they are read. */
export interface Layers {
  readonly base: ImageSource | null;
  readonly made: readonly MadeLayer[];
}

/** How far a stage is. */
export interface StageState {
  /** What its programs are for. */
  readonly platform: Platform;
  readonly layers: Layers;
  readonly config: StageConfig;
  readonly scope: StageScope;
  readonly history: readonly History[];
  /** What ONBUILD has for the stage that is on this one. */
  readonly triggers: readonly string[];
}

export function descriptorOf({ digest, size, compression }: MadeLayer): Descriptor {
  return { mediaType: compression === 'none' ? MEDIA.layer : `${MEDIA.layer}+${compression}`, digest, size };
}

/** The digests of all layers' tars: they tell the files. */
export function diffIdsOf({ base, made }: Layers): string[] {
  return [...(base?.config.rootfs.diff_ids ?? []), ...made.map(({ diffId }) => diffId)];
}

/** A time as OCI's documents have it. @param seconds since the epoch */
export function isoTime(seconds: number): string {
  return new Date(seconds * 1000).toISOString().replace('.000Z', 'Z');
}

/**
 * The image's configuration as a document, `config` being how it is run.
 *
 * @param parts.platform what the image says that it is for, as its base may say something else; `null`: what its base says
 */
export function configDocument(
  layers: Layers,
  parts: {
    config: OciConfig['config'];
    history: readonly History[];
    created: string;
    author?: string | null;
    platform?: Platform | null;
  },
): OciConfig {
  const { config, history, created, author = null, platform = null } = parts;
  return {
    ...(layers.base?.config ?? currentPlatform()),
    ...(platform ? platformFields(platform, layers.base?.config) : {}),
    ...(author === null ? {} : { author }),
    created,
    config,
    rootfs: { type: 'layers', diff_ids: diffIdsOf(layers) },
    history: [...history],
  };
}

/** As BuildKit: of the same architecture the base's variant stays where none is named. */
function platformFields(platform: Platform, base: OciConfig | undefined): Partial<OciConfig> {
  const { os, architecture, variant } = platform;
  const isSame = base?.os === os && base.architecture === architecture;
  return { os, architecture, ...(variant === undefined && isSame ? {} : { variant }) };
}

/** The files so far as an image to run on or to read; `null`: there are none. */
export function imageOf(layers: Layers): Image | null {
  const { base, made } = layers;
  const manifest: Manifest = {
    schemaVersion: 2,
    config: { mediaType: MEDIA.config, digest: `sha256:${'0'.repeat(64)}`, size: 0 },
    layers: [...(base?.manifest.layers ?? []), ...made.map(descriptorOf)],
  };
  if (manifest.layers.length === 0) return null;
  const own = new Map(made.map((layer) => [layer.digest, layer]));
  return Image.ofSource({
    reference: null,
    tag: null,
    descriptor: { mediaType: MEDIA.manifest, digest: `sha256:${'0'.repeat(64)}`, size: 0 },
    manifest,
    // how it is run is said by who runs it
    config: configDocument(layers, { config: {}, history: [], created: '1970-01-01T00:00:00Z' }),
    openBlob: async (blob) => {
      const layer = own.get(blob.digest);
      if (base && !layer) return base.openBlob(blob);
      await layer?.bring?.();
      return openBlobIn(storeRoot(), blob);
    },
  });
}

import { invalidOption, NacelleError } from '../errors.js';
import { now } from '../native/clock.js';
import type { LayerStream } from '../options/layer-options.js';
import { hold } from '../store/lease.js';
import { type ImageConfig, ociConfig } from './formats/image-config.js';
import { chainIds, type Descriptor, type OciConfig, ociLayerType } from './formats/image-documents.js';
import type { ImageSource } from './formats/image-source.js';
import { currentPlatform } from './formats/platform.js';
import type { ParsedCommit } from './image-options.js';
import { addCompressed, type MadeLayer } from './layers/add-compressed.js';
import { streamFrom } from './layers/add-image.js';
import { addMadeImage } from './layers/add-made-image.js';
import { addBlob } from './store/blobs.js';

/** What an image is made of. */
export interface CommitParts {
  /** The image below the layers; `null`: nothing. */
  readonly base: ImageSource | null;
  /** The lowest first. */
  readonly layers: readonly LayerStream[];
  /** How the base is run: the new config takes precedence over it. */
  readonly config: ImageConfig;
}

type History = NonNullable<OciConfig['history']>[number];

/**
 * Makes an image of another one and new layers, in the store. The same changes with the same `created` give the same bytes.
 *
 * @returns the manifest's digest
 */
export async function commit(
  { base, layers, config: before }: CommitParts,
  reference: string | null,
  options: ParsedCommit,
): Promise<string> {
  const { author, comment } = options;
  const wanted = options.created ?? sourceDate();
  const created = (wanted ?? new Date(now())).toISOString().replace(/\.000Z$/, 'Z');
  const entry: History = { created, created_by: 'nacelle commit', ...(author ? { author } : {}), ...(comment ? { comment } : {}) };
  const below = base?.manifest.layers ?? [];
  const held = await hold([...below.map(({ digest }) => digest), ...chainIds(base?.config.rootfs.diff_ids ?? [])]);
  const built: MadeLayer[] = [];
  try {
    if (base) for (const blob of below) await addFrom(base, blob);
    for (const open of layers)
      built.push(await addCompressed(await open(wanted ? { clampMtime: new Date(Math.max(0, wanted.getTime())) } : {})));
    const config: OciConfig = {
      ...(base?.config ?? currentPlatform()),
      created,
      ...(author ? { author } : {}),
      config: { ...base?.config.config, ...ociConfig(merged(before, options.config)) },
      rootfs: { type: 'layers', diff_ids: [...(base?.config.rootfs.diff_ids ?? []), ...built.map(({ diffId }) => diffId)] },
      history: [...historyOf(base), ...built.map(() => entry)],
    };
    const all = [...below.map(asOci), ...built.map(({ digest, size, compression }) => ({ digest, size, compression }))];
    const [loaded] = await addMadeImage([reference], { config: Buffer.from(JSON.stringify(config)), layers: all });
    if (!loaded) throw new NacelleError('commit: nothing was added', { code: 'ERR_PROTOCOL' });
    return loaded.digest;
  } finally {
    for (const { release } of built) release();
    held.release();
  }
}

async function addFrom(base: ImageSource, blob: Descriptor): Promise<void> {
  const { digest, size } = blob;
  await addBlob({ digest, size, open: async (from) => streamFrom(await base.openBlob(blob), from) });
}

/** Variables and labels are added to those of the base; every other setting replaces the base's. */
function merged(before: ImageConfig, { env, labels, ...rest }: ParsedCommit['config']): ImageConfig {
  const given = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined));
  return {
    ...before,
    ...(rest.entrypoint && !rest.cmd ? { cmd: [] } : {}),
    ...given,
    ...(env ? { env: { ...before.env, ...env } } : {}),
    ...(labels ? { labels: { ...before.labels, ...labels } } : {}),
  };
}

/** Docker's types of layers have the same bytes as OCI's, and no place in a manifest of OCI's. */
function asOci(layer: Descriptor): Descriptor {
  return { ...layer, mediaType: ociLayerType(layer.mediaType) };
}

/**
 * The history with an entry for each layer, by which readers tell what each is: a layer without one gets an entry that says that nothing is
 * known.
 */
function historyOf(base: ImageSource | null): readonly History[] {
  const history = base?.config.history ?? [];
  const missing = (base?.manifest.layers.length ?? 0) - history.filter(({ empty_layer }) => !empty_layer).length;
  return [...history, ...Array.from({ length: Math.max(0, missing) }, () => ({ created_by: 'unknown' }))];
}

/**
 * The date that a reproducible build is to have (reproducible-builds.org): seconds since the epoch. A wrong value is an error, and not
 * ignored.
 */
function sourceDate(): Date | null {
  const seconds = process.env.SOURCE_DATE_EPOCH;
  if (!seconds) return null;
  if (/^\d{1,11}$/.test(seconds)) return new Date(Number(seconds) * 1000);
  throw invalidOption('SOURCE_DATE_EPOCH', `must be seconds since 1970, not ${JSON.stringify(seconds)}`);
}

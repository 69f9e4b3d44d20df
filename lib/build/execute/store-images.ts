import { NacelleError } from '../../errors.js';
import { type OciConfig, ociLayerType } from '../../image/formats/image-documents.js';
import { Image } from '../../image/image.js';
import { streamFrom } from '../../image/layers/add-image.js';
import { addMadeImage, addMadeIndex, type MadeImage } from '../../image/layers/add-made-image.js';
import { addBlob } from '../../image/store/blobs.js';
import { hold } from '../../store/lease.js';
import { BuildError } from '../language/build-error.js';
import type { ParsedBuild } from './build-options.js';
import { withTimes } from './history-times.js';
import type { Target } from './stage-platforms.js';
import { configDocument, descriptorOf, isoTime, type StageState } from './stage-state.js';

/** What was built for a platform. */
interface Built {
  readonly state: StageState;
  readonly epoch: number | null;
  readonly target: Target;
}

interface StoreOptions {
  readonly tags: readonly string[];
  readonly options: ParsedBuild;
  /** When the build began; seconds since the epoch. */
  readonly now: number;
}

/** Writes the documents of the image, or of an index of one for each platform. The layers of their bases come into the store, where they are not there. */
export async function storeImages(built: readonly Built[], { tags, options, now }: StoreOptions): Promise<Image> {
  const below = built.flatMap(({ state: { layers } }) => layers.base?.manifest.layers ?? []);
  const held = await hold(below.map(({ digest }) => digest));
  try {
    const images: (MadeImage & Pick<Target, 'platform'>)[] = [];
    for (const one of built) images.push({ ...(await madeOf(one, { options, now })), platform: one.target.platform });
    const names = tags.length === 0 ? [null] : tags;
    if (options.wanted.isIndex) return await Image.ofStored(tags[0] ?? null, await addMadeIndex(names, images));
    const [image] = images;
    const [loaded] = image ? await addMadeImage(names, image) : [];
    if (!loaded) throw new NacelleError('build: nothing was added', { code: 'ERR_PROTOCOL' });
    return await Image.ofStored(tags[0] ?? null, loaded.digest);
  } finally {
    held.release();
  }
}

/** The image's config and layers, when all layers are in the store. */
async function madeOf({ state, epoch, target }: Built, { options, now }: Pick<StoreOptions, 'options' | 'now'>): Promise<MadeImage> {
  const { base, made } = state.layers;
  const below = base?.manifest.layers ?? [];
  if (below.length + made.length === 0)
    throw new BuildError('build: the image would have no files, and no layer: COPY something', { file: '', line: 0 });
  for (const layer of made) await layer.bring?.();
  if (base)
    for (const blob of below)
      await addBlob({ digest: blob.digest, size: blob.size, open: async (from) => streamFrom(await base.openBlob(blob), from) });
  const history = withTimes(state.history, base?.config.created ?? isoTime(now));
  // an image of the same layers is the same whenever it was built
  const created = epoch === null ? (history.at(-1)?.created ?? isoTime(now)) : isoTime(epoch);
  const parts = { config: labelled(state, options), history, created, author: state.config.author };
  const document = configDocument(state.layers, { ...parts, platform: target.isAsked ? target.platform : null });
  const layers = [...below.map((layer) => ({ ...layer, mediaType: ociLayerType(layer.mediaType) })), ...made.map(descriptorOf)];
  return { config: Buffer.from(JSON.stringify(document)), layers };
}

function labelled({ config, scope }: StageState, { labels }: ParsedBuild): OciConfig['config'] {
  const own = config.result(scope);
  return Object.keys(labels).length === 0 ? own : { ...own, Labels: { ...own.Labels, ...labels } };
}

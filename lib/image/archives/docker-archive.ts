import * as z from 'zod';
import { ImageError } from '../../errors.js';
import { digestOf } from '../formats/digest.js';
import { parseConfig } from '../formats/image-documents.js';
import { parseJson } from '../formats/json.js';
import { nameIn, requireOne } from '../formats/reference.js';
import { blobCap } from '../formats/unpack-limits.js';
import { addMadeImage, type Loaded } from '../layers/add-made-image.js';
import { addStream } from '../store/blobs.js';
import type { Archive } from './archive.js';
import type { LoadSettings } from './load-settings.js';

// What `docker save` wrote before version 25, and podman and skopeo write as docker-archive (moby, image/spec/v1.2.md):
//
//   manifest.json     [{ Config: 'HEX.json', RepoTags: ['busybox:latest'], Layers: ['HEX/layer.tar', …] }]
//   HEX.json          the image's config
//   HEX/layer.tar     a layer, not compressed

const manifestFile = z.array(
  z.looseObject({ Config: z.string(), RepoTags: z.array(z.string()).nullish(), Layers: z.array(z.string()).max(500) }),
);
type DockerImage = z.infer<typeof manifestFile>[number];

export function isDockerArchive(archive: Archive): boolean {
  return archive.has('manifest.json');
}

/** The digests of the configs: docker calls such a digest an image's id. */
export async function dockerConfigs(archive: Archive): Promise<string[]> {
  const images = await readManifest(archive);
  return Promise.all(images.map(async ({ Config }) => digestOf(await archive.read(Config))));
}

/** Brings all images of the archive into the store, under all of their names. */
export async function addDockerImages(archive: Archive, options: LoadSettings): Promise<Loaded[]> {
  const loaded: Loaded[] = [];
  const images = await readManifest(archive);
  if (options.reference !== undefined) requireOne(archive.path, images.length, options.reference);
  for (const image of images) loaded.push(...(await addDockerImage(archive, image, options)));
  return loaded;
}

async function readManifest(archive: Archive): Promise<DockerImage[]> {
  const result = manifestFile.safeParse(parseJson(await archive.read('manifest.json'), `${archive.path}: manifest.json`));
  if (result.success) return result.data;
  throw new ImageError(`${archive.path}: manifest.json is malformed: ${result.error.issues[0]?.message}`, { cause: result.error });
}

async function addDockerImage(archive: Archive, { Config, RepoTags, Layers }: DockerImage, options: LoadSettings): Promise<Loaded[]> {
  const bytes = await archive.read(Config);
  const config = parseConfig(bytes, `${archive.path}: ${Config}`);
  if (config.rootfs.diff_ids.length !== Layers.length)
    throw new ImageError(`${archive.path}: ${Config} has ${config.rootfs.diff_ids.length} diff_ids for ${Layers.length} layers`);
  const layers: Awaited<ReturnType<typeof addStream>>[] = [];
  try {
    for (const [index, name] of Layers.entries()) {
      const layer = await addStream(archive.stream(name), { ...options, onBytes: blobCap(options.limits, `${archive.path}: ${name}`) });
      layers.push(layer);
      const diffId = config.rootfs.diff_ids[index];
      // compressed layers are checked when they are unpacked
      if (layer.compression === 'none' && layer.digest !== diffId)
        throw new ImageError(`${archive.path}: ${name} is damaged or forged: its bytes have the digest ${layer.digest}, not ${diffId}`, {
          digest: layer.digest,
        });
    }
    const own = (): (string | null)[] => (RepoTags?.length ? RepoTags.map((name) => nameIn(archive.path, name)) : [null]);
    const names = options.reference === undefined ? own() : [options.reference];
    return await addMadeImage(names, { config: bytes, layers });
  } finally {
    for (const layer of layers) layer.release();
  }
}

import { realpathSync, statSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import * as z from 'zod';
import { ImageError, invalidOption, UnsupportedError } from '../errors.js';
import type { ProgressListener } from '../plan/progress.js';
import { MOUNT_ATTR, type RootRecipe } from '../plan/recipe.js';
import { type ImageConfig, imageConfig } from './config.js';
import { currentHostRecipe } from './host.js';
import { unpackedLayer } from './layer.js';
import { type FoundImage, OciLayout } from './layout.js';
import { chainIds } from './oci.js';
import { formatReference, parseReference } from './reference.js';

/** A layer of an image. */
export interface LayerInfo {
  /** Of the blob, as it travels. */
  readonly digest: string;
  /** Of the uncompressed tar. */
  readonly diffId: string;
  readonly mediaType: string;
  /** Bytes of the blob. */
  readonly size: number;
}

type MakeRecipe = (onProgress?: ProgressListener) => Promise<RootRecipe>;

interface Parts {
  readonly reference: string | null;
  readonly digest: string;
  readonly config: ImageConfig;
  readonly layers: readonly LayerInfo[];
  readonly makeRecipe: MakeRecipe;
}

const hidePath = z
  .string()
  .refine(
    (path) => path.startsWith('/') && !path.includes('\0') && !path.split('/').some((part) => part === '..' || part === '.'),
    "must be an absolute path without '.' and '..'",
  );
const hostOptions = z.strictObject({ hide: z.array(hidePath).optional() });

/**
 * A root file system to run in, and how it wants to be run. An image is never written to: a container's changes go elsewhere.
 *
 * @example
 * const image = await Image.open('oci:images:debian');
 * await Container.run({ image, command: ['bash', '-c', 'echo $0'] });
 */
export class Image {
  /** The name that it was asked for by. */
  readonly reference: string | null;
  /** Of the manifest of this machine's platform. Empty for what has none: the host and folders. */
  readonly digest: string;
  readonly config: ImageConfig;
  /** The lowest first, as in the manifest. */
  readonly layers: readonly LayerInfo[];
  /** Bytes of the layers' blobs. */
  readonly size: number;
  readonly #makeRecipe: MakeRecipe;

  private constructor({ reference, digest, config, layers, makeRecipe }: Parts) {
    this.reference = reference;
    this.digest = digest;
    this.config = config;
    this.layers = layers;
    this.size = layers.reduce((sum, layer) => sum + layer.size, 0);
    this.#makeRecipe = makeRecipe;
  }

  /**
   * This machine's root, copy-on-write. Hides /root, /home, /run, /tmp, /var/tmp (they are there, but empty) and files that
   * hold credentials (they don't exist inside); docs/images.md has the list. The host's other mounts are seen too, those in
   * memory and the kernel's are not.
   *
   * @param options.hide instead of that list: absolute paths, in which '*' stands for any part of one name
   * @throws NacelleError `ERR_INVALID_OPTION`
   */
  static host(options: { hide?: string[] } = {}): Image {
    const result = hostOptions.safeParse(options);
    if (!result.success) {
      const [issue] = result.error.issues;
      throw invalidOption(issue?.path.map(String).join('.') || 'options', issue?.message ?? 'is wrong');
    }
    const { hide } = result.data;
    return new Image({ reference: 'host', digest: '', config: {}, layers: [], makeRecipe: async () => currentHostRecipe(hide) });
  }

  /**
   * A folder as an image: read as it is at each run, never written to. Don't change it while a container runs on it.
   *
   * @throws ImageError when it is no folder
   */
  static async fromDirectory(path: string, config: ImageConfig = {}): Promise<Image> {
    const folder = folderAt(path, `dir:${path}`);
    return new Image({ reference: `dir:${folder}`, digest: '', config, layers: [], makeRecipe: () => layered([folder]) });
  }

  /**
   * The image of a reference: 'host', 'dir:PATH', 'oci:DIR:TAG' (without TAG: the only image there).
   *
   * @throws NacelleError `ERR_INVALID_OPTION` for what is no reference, ImageError when it isn't there or can't be trusted,
   * UnsupportedError for the other kinds
   */
  static async open(reference: string): Promise<Image> {
    const parsed = parseReference(reference, 'reference');
    switch (parsed.kind) {
      case 'host':
        return Image.host();
      case 'dir':
        return Image.fromDirectory(parsed.path);
      case 'oci': {
        const path = folderAt(parsed.path, reference);
        const layout = await OciLayout.open(path);
        const found = await layout.find(parsed.tag, reference);
        return Image.#fromLayout(layout, found);
      }
      case 'docker-archive':
        return later(`the image ${formatReference(parsed)}: reading a docker archive`);
      case 'registry':
        return later(`the image ${formatReference(parsed)}: pulling from a registry`);
    }
  }

  /**
   * All images of an OCI layout folder, those for this machine.
   *
   * @throws ImageError, UnsupportedError for other sources
   */
  static async load(source: string | Readable): Promise<Image[]> {
    if (typeof source !== 'string') return later('loading an image from a stream');
    const path = resolve(source);
    const stats = await stat(path).catch((cause: unknown) => {
      throw new ImageError(`load ${source}: ${cause instanceof Error ? cause.message : String(cause)}`, { reference: source, cause });
    });
    if (!stats.isDirectory()) return later('loading an image from an archive');
    const layout = await OciLayout.open(path);
    return (await layout.images()).map((found) => Image.#fromLayout(layout, found));
  }

  /** Comes in a later version. @throws UnsupportedError */
  static async pull(reference: string): Promise<Image> {
    return later(`pulling ${formatReference(parseReference(reference, 'reference'))}`);
  }

  /** Comes in a later version. @throws UnsupportedError */
  static async list(): Promise<never> {
    return later('listing images');
  }

  /** Comes in a later version. @throws UnsupportedError */
  static async prune(): Promise<never> {
    return later('pruning the store');
  }

  /** Comes in a later version. @throws UnsupportedError */
  static async commit(): Promise<never> {
    return later('committing an image');
  }

  /** Comes in a later version. @throws UnsupportedError */
  static async build(): Promise<never> {
    return later('building an image');
  }

  /** Comes in a later version. @throws UnsupportedError */
  async save(_target: string | Writable): Promise<void> {
    return later('saving an image');
  }

  /** Comes in a later version. @throws UnsupportedError */
  async push(_reference: string): Promise<never> {
    return later('pushing an image');
  }

  /** Comes in a later version. @throws UnsupportedError */
  async tag(_reference: string): Promise<void> {
    return later('tagging an image');
  }

  /** Comes in a later version. @throws UnsupportedError */
  async remove(): Promise<void> {
    return later('removing an image');
  }

  /**
   * How its root is to be mounted. Layers that are not in the store yet are unpacked first; a second use unpacks nothing.
   *
   * @internal
   */
  recipe(onProgress?: ProgressListener): Promise<RootRecipe> {
    return this.#makeRecipe(onProgress);
  }

  static #fromLayout(layout: OciLayout, { tag, digest, manifest, config }: FoundImage): Image {
    const diffIds = config.rootfs.diff_ids;
    const chain = chainIds(diffIds);
    const sources = manifest.layers.map((descriptor, index) => ({
      open: () => layout.openBlob(descriptor),
      descriptor,
      diffId: diffIds[index] ?? '',
      chainId: chain[index] ?? '',
    }));
    const makeRecipe: MakeRecipe = async (onProgress) => {
      const lower: string[] = [];
      for (const source of sources) lower.unshift(await unpackedLayer(source, onProgress));
      return layered(lower);
    };
    return new Image({
      reference: formatReference({ kind: 'oci', path: layout.path, tag }),
      digest,
      config: imageConfig(config.config),
      layers: sources.map(({ descriptor, diffId }) => ({
        digest: descriptor.digest,
        diffId,
        mediaType: descriptor.mediaType,
        size: descriptor.size,
      })),
      makeRecipe,
    });
  }
}

/** One overlay of folders, the topmost first; the root's mode and owner are the topmost's. */
async function layered(lower: readonly string[]): Promise<RootRecipe> {
  const [top = '/'] = lower;
  const { mode, uid, gid } = statSync(top);
  return { mounts: [{ target: '/', lower, attributes: MOUNT_ATTR.NODEV, root: { mode: mode & 0o7777, uid, gid }, cover: [] }], binds: [] };
}

/** Synchronous: two looks at a folder take microseconds, and ten times that on the thread pool. */
function folderAt(path: string, reference: string): string {
  let folder: string;
  try {
    folder = realpathSync(resolve(path));
  } catch (cause) {
    throw new ImageError(`open the image ${reference}: ${cause instanceof Error ? cause.message : String(cause)}`, { reference, cause });
  }
  if (!statSync(folder).isDirectory()) throw new ImageError(`open the image ${reference}: ${folder} is not a folder`, { reference });
  return folder;
}

function later(what: string): never {
  throw new UnsupportedError(what, 'it comes in a later version', "For now: 'host', 'dir:PATH' and 'oci:DIR:TAG'");
}

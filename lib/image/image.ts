import type { Readable, Writable } from 'node:stream';
import { ImageError, UnsupportedError } from '../errors.js';
import type { OverlayFs } from '../filesystem/overlay-fs.js';
import { mounter, privilege } from '../host/privilege.js';
import { storeRoot } from '../host/store-path.js';
import type { LayerOptions, LayerStream } from '../options/layer-options.js';
import { parseOptions } from '../options/parse-options.js';
import { load, openDockerArchive } from './archives/load.js';
import { save } from './archives/save.js';
import { asImageErrors } from './as-image-errors.js';
import { commit } from './commit.js';
import { DEFAULT_LIMITS } from './formats/default-limits.js';
import { type ImageConfig, imageConfig } from './formats/image-config.js';
import { type Descriptor, tagOf } from './formats/image-documents.js';
import { type IndexInfo, indexInfo, sourceFor } from './formats/image-index.js';
import type { ImageSource } from './formats/image-source.js';
import { type LayerInfo, layersOf } from './formats/layer-info.js';
import type { Platform } from './formats/platform.js';
import { formatReference, parseReference, parseRegistryName, type Reference } from './formats/reference.js';
import type { ParsedLimits } from './formats/unpack-limits.js';
import { hiddenPaths } from './host/hidden-paths.js';
import { currentHostRecipe } from './host/host-image.js';
import { folderAt, layoutImage } from './image-folder.js';
import {
  type CommitOptions,
  commitOptions,
  type ImageMountOptions,
  imageConfigSchema,
  type LoadOptions,
  loadOptions,
  mountOptions,
  nameOf,
  type OpenOptions,
  type ParsedOpen,
  type PullOptions,
  type PushOptions,
  pullOptions,
  pushOptions,
  saveOptions,
} from './image-options.js';
import { addImage, streamFrom } from './layers/add-image.js';
import { nameIndex } from './layers/name-index.js';
import { kept, layered, type Use, type UsedImage, type UseOptions, useLayers } from './layers/used-layers.js';
import { mountImage } from './mount-image.js';
import { openSettings } from './open-settings.js';
import { pull } from './pull.js';
import { push } from './push.js';
import { removeFromStore, removeNamesOf } from './remove-from-store.js';
import { type ImagePruneReport, prune } from './store/prune.js';
import { findEntry, findReferred, type ImageInfo, listStored } from './store/stored-images.js';

interface Parts {
  readonly reference: string | null;
  readonly config: ImageConfig;
  readonly use: Use;
  /** `null`: the host and folders have no layers. */
  readonly source: ImageSource | null;
  readonly limits?: ParsedLimits;
}

/**
 * A root file system to run in, and how it wants to be run. An image is never written to: a container's changes go elsewhere.
 *
 * @example
 * const image = await Image.open('oci:images:debian');
 * await Container.run({ image, command: ['bash', '-c', 'echo $0'] });
 */
export class Image {
  /** The image's name in the store, or what it was asked for by. */
  readonly reference: string | null;
  /**
   * The digest of the manifest: of an image for several platforms that of the one which it was opened for, else this machine's or the first. `index` has the
   * digest of all. Empty for an image without a manifest: the host and folders.
   */
  readonly digest: string;
  /**
   * All that the image is, if the store has it for several platforms by this name: `push`, `tag`, `remove` and `save` are about all of them, and the other
   * fields about this machine's, or the first. `null` for an image of one platform.
   */
  readonly index: IndexInfo | null;
  readonly config: ImageConfig;
  /** The lowest first, as in the manifest. */
  readonly layers: readonly LayerInfo[];
  /** Bytes of the layers' blobs. */
  readonly size: number;
  readonly #use: Use;
  readonly #source: ImageSource | null;
  readonly #limits: ParsedLimits | undefined;

  private constructor({ reference, config, use, source, limits }: Parts) {
    this.reference = reference;
    this.digest = source?.descriptor.digest ?? '';
    this.index = source?.index ? indexInfo(source.index) : null;
    this.config = config;
    this.layers = source ? layersOf(source) : [];
    this.size = this.layers.reduce((sum, layer) => sum + layer.size, 0);
    this.#use = use;
    this.#source = source;
    this.#limits = limits;
  }

  /**
   * This machine's root, copy-on-write. It hides /root, /home, /run, /tmp, /var/tmp (they exist inside, but empty) and files that hold
   * credentials (they don't exist inside); docs/images.md has the list. The host's other mounts are seen too, except those in memory and
   * the kernel's.
   *
   * @param options.hide instead of that list: absolute paths, in which '*' stands for any part of one name
   * @throws NacelleError `ERR_INVALID_OPTION`
   */
  static host(options: { hide?: readonly string[] | undefined } = {}): Image {
    const hide = hiddenPaths(options);
    return new Image({ reference: 'host', config: {}, source: null, use: async ({ mounter }) => kept(currentHostRecipe(hide, mounter)) });
  }

  /**
   * A folder as an image: read as it is at each run, never written to. Don't change it while a container runs on it.
   *
   * @throws NacelleError `ERR_INVALID_OPTION`; ImageError when it is no folder
   */
  static async fromDirectory(path: string, config: ImageConfig = {}): Promise<Image> {
    parseOptions(imageConfigSchema, config, 'config');
    const folder = folderAt(path, `dir:${path}`);
    return new Image({ reference: `dir:${folder}`, config, source: null, use: async ({ mounter }) => kept(layered([folder], mounter)) });
  }

  /**
   * Opens the image of a reference: 'host', 'dir:PATH', 'oci:DIR:TAG' (without TAG: the only image there), 'docker-archive:FILE', the name
   * of an image in the store, or its digest, 'sha256:HEX': the manifest's or the index's, as `list()` has it, or the config's, docker's image id. It
   * pulls nothing.
   *
   * @throws NacelleError `ERR_INVALID_OPTION` for what is no reference, ImageError when it isn't there or can't be trusted, `ERR_NO_IMAGE` also when it isn't
   *   for `options.platform`; UnsupportedError for a platform of the host or of a folder, which are for this machine's
   */
  static async open(reference: string, options: OpenOptions = {}): Promise<Image> {
    const settings = openSettings(options);
    const parsed = parseReference(reference, 'reference');
    const opening = async (): Promise<Image> => {
      const image = await Image.#open(parsed, reference, settings);
      return settings.platform ? image.#for(settings.platform) : image;
    };
    return asImageErrors(`open ${reference}`, opening, { reference });
  }

  static async #open(parsed: Reference, reference: string, { limits, platform }: ParsedOpen): Promise<Image> {
    switch (parsed.kind) {
      case 'host':
        return Image.host();
      case 'dir':
        return Image.fromDirectory(parsed.path);
      case 'oci':
        return Image.#of(await layoutImage(parsed.location, reference, platform), limits);
      case 'docker-archive':
        return Image.#of(await openDockerArchive(parsed.path, limits), limits);
      case 'digest':
      case 'registry': {
        const stored = await findReferred(parsed);
        if (stored) return Image.#of(stored, limits);
        const name = formatReference(parsed);
        throw new ImageError(`${name} is not in the store ${storeRoot()}: pull or load it first`, {
          reference: name,
          code: 'ERR_NO_IMAGE',
        });
      }
    }
  }

  /**
   * Brings the images of an OCI layout (a folder or an archive), of what `docker save` wrote, or a plain archive of a root file system into
   * the store: those for this machine, under the names that they have there. A stream is read to its end. The call waits until somebody
   * writes to the path of a pipe, whatever the signal says.
   *
   * @param options.reference the image's name instead: the source must have one image
   * @param options.onProgress called for each layer
   * @throws ImageError when it is none of these or damaged; what was complete before stays
   */
  static async load(source: string | Readable, options: LoadOptions = {}): Promise<Image[]> {
    const { cancelSignal: signal, reference, ...rest } = parseOptions(loadOptions, options, 'options');
    const settings = { ...rest, signal, ...(reference === undefined ? {} : { reference: nameOf(reference) }) };
    const what = `load ${typeof source === 'string' ? source : 'an archive'}`;
    const loaded = await asImageErrors(what, () => load(source, settings), { signal });
    return Promise.all(loaded.map((image) => Image.ofStored(image.reference, image.digest, rest.limits)));
  }

  /**
   * Brings an image from its registry into the store, by the OCI distribution specification: every byte is checked against its digest, what
   * is there already is not read again, and a blob that was cut off goes on where it stopped.
   *
   * @throws NacelleError `ERR_INVALID_OPTION`; ImageError `ERR_NO_IMAGE` when it isn't there, `ERR_UNAUTHORIZED` when it may not be had,
   *   `ERR_IMAGE` when it can't be trusted or the registry can't be reached
   */
  static async pull(reference: string, options: PullOptions = {}): Promise<Image> {
    const parsed = parseRegistryName(reference);
    const settings = parseOptions(pullOptions, options, 'options');
    return Image.ofStored(formatReference(parsed), await pull(parsed, settings), settings.limits);
  }

  /**
   * Brings an image for a platform into the store, where it gets no name: one for another platform may have that.
   *
   * @internal
   */
  static async pullUnnamed(reference: string, options: PullOptions): Promise<Image> {
    const settings = parseOptions(pullOptions, options, 'options');
    return Image.ofStored(null, await pull(parseRegistryName(reference), settings, false), settings.limits);
  }

  /** The images in the store, in the order in which they came. @throws ImageError when it can't be read */
  static async list(): Promise<ImageInfo[]> {
    return asImageErrors('list the images', listStored);
  }

  /**
   * Removes from the store what no reference reaches and nobody uses: images without a name, their layers, unpacked or not, and blobs that
   * were cut off. What a live container uses, or a pull brings just now, stays, whatever process that is in, and so do the layers of the build
   * cache, which {@link BuildCache.prune} removes.
   *
   * @throws ImageError when an image there is damaged: {@link Image.remove} it first; SyscallError when something can't be removed
   */
  static async prune(): Promise<ImagePruneReport> {
    return asImageErrors('prune the store', prune);
  }

  /**
   * Removes an image from the store without opening it, so also a damaged one: by its name, or by its manifest's digest ('sha256:HEX',
   * 'NAME@sha256:HEX') under all its names. What no other image needs is removed too; what a live container uses is left to a later prune.
   * So is all of it when another image is damaged, as nobody knows what that one needs. Idempotent.
   *
   * @throws NacelleError `ERR_INVALID_OPTION` for what is no name of the store's
   */
  static async remove(reference: string): Promise<void> {
    const parsed = parseReference(reference, 'reference');
    const { digest } = parsed.kind === 'digest' ? parsed : parseRegistryName(reference);
    const name = formatReference(parsed);
    await removeFromStore(name, (entry) => tagOf(entry) === name || entry.digest === digest);
  }

  /**
   * Makes an image of what a container (made by `Container.create`, running or ended) changed on its image, or of an overlay's folders,
   * each as a layer. The new image comes into the store, with the layers that it lies on. The same changes at the same `created` give the
   * same digest.
   *
   * @throws NacelleError `ERR_INVALID_OPTION`, `ERR_CLOSED` when it was removed; UnsupportedError for a container on the host, a folder or a
   *   `rootfs`; SyscallError
   */
  static async commit(source: Committable, options: CommitOptions = {}): Promise<Image> {
    const parsed = parseOptions(commitOptions, options, 'options');
    const reference = parsed.reference === undefined ? null : nameOf(parsed.reference);
    const base = source.image ? source.image.withLayers('commit a container on') : null;
    const parts = { base, layers: source.layers?.() ?? [(options) => source.layer(options)], config: source.image?.config ?? {} };
    const digest = await asImageErrors('commit', () => commit(parts, reference, parsed), { reference });
    return Image.ofStored(reference, digest);
  }

  /**
   * Writes the image as an OCI layout: into the folder `target`, if that exists or ends with '/', beside the images that it has; else as a
   * tar archive. The same image gives the same bytes, and has the same digest when it is loaded.
   *
   * @param options.format 'docker': an archive that `docker load` takes, and that is an OCI layout as well. It has one platform, where a layout has all of
   *   them
   * @throws ImageError when a blob is damaged, or the file can't be written; UnsupportedError for the host and folders
   */
  async save(target: string | Writable, options: { format?: 'oci' | 'docker' | undefined } = {}): Promise<void> {
    const { format } = parseOptions(saveOptions, options, 'options');
    const source = this.withLayers('save');
    const what = `save ${typeof target === 'string' ? target : 'an archive'}`;
    await asImageErrors(what, () => save(source, target, format), { reference: this.reference });
  }

  /**
   * Brings the image to a registry, under a name with a tag. Blobs that are there already are not sent, nor those that the registry can
   * take from the repository that the image came from.
   *
   * @returns the manifest's digest, which is this image's; of an image for several platforms that of the index
   * @throws NacelleError `ERR_INVALID_OPTION`; ImageError `ERR_UNAUTHORIZED` when it may not be put there, `ERR_IMAGE`; UnsupportedError for
   *   the host and folders
   */
  async push(reference: string, options: PushOptions = {}): Promise<{ digest: string }> {
    const source = this.withLayers('push');
    return { digest: await push(source, parseRegistryName(reference), parseOptions(pushOptions, options, 'options')) };
  }

  /**
   * Gives the image another name in the store, into which it is brought if it is not there. An image that had the name before loses it.
   *
   * @throws NacelleError `ERR_INVALID_OPTION` for what is no name; UnsupportedError for the host and folders
   */
  async tag(reference: string): Promise<void> {
    const source = this.withLayers('tag');
    const name = nameOf(reference);
    const openBlob = async (blob: Descriptor, from: number) => streamFrom(await source.openBlob(blob), from);
    const { index } = source;
    if (index) return asImageErrors(`tag ${name}`, () => nameIndex(name, index), { reference: name });
    await asImageErrors(`tag ${name}`, () => addImage(name, { ...source, openBlob }, { limits: this.#limits }), { reference: name });
  }

  /**
   * Takes the image's name from it in the store, and removes what no other image there needs; what a live container uses goes with a later
   * prune. A name that another image has by now stays that one's. An image without a name loses all its names; one of a layout or an
   * archive keeps those that it was given in the store. An image for several platforms loses its
   * name as a whole. That of one of these platforms alone, as `Image.open` gives it for a platform or by its manifest's digest, has no part in that name:
   * it loses all names that it was given by itself, and stays where the whole has a name. Idempotent.
   *
   * @throws UnsupportedError for the host and folders
   */
  async remove(): Promise<void> {
    await removeNamesOf(this.withLayers('remove'), this.reference);
  }

  /**
   * Mounts the image's files, for this machine to look at or as the `rootfs` of containers. What is written there is in memory, and gone with the mount:
   * the image stays as it is. The mount is for this user alone; devices in it open nothing. The layers stay in the store until it is unmounted.
   *
   * @param options.readOnly nothing can be written there. Default false
   * @returns the mount, which goes with `unmount()` or with this process
   * @throws NacelleError `ERR_INVALID_OPTION`; ImageError when a layer can't be trusted; UnsupportedError for the host, whose root is many mounts; SyscallError
   */
  async mount(options: ImageMountOptions = {}): Promise<OverlayFs> {
    const { readOnly, cancelSignal } = parseOptions(mountOptions, options, 'options');
    cancelSignal?.throwIfAborted();
    const used = await this.use({ signal: cancelSignal, mounter: mounter(privilege()) });
    return mountImage(used, { readOnly, reference: this.reference, signal: cancelSignal });
  }

  /**
   * How the image's root is to be mounted. Layers that are not in the store yet are unpacked first; a second use unpacks nothing. The
   * layers stay until the result is released.
   *
   * @internal
   */
  use(options: UseOptions = {}): Promise<UsedImage> {
    const { reference } = this;
    return asImageErrors(`use ${reference ?? this.digest}`, () => this.#use(options), { reference, signal: options.signal });
  }

  /**
   * What the image is made of. This is no private method, as `Image.commit` of another copy of the module asks for it too.
   *
   * @throws UnsupportedError for the host and folders
   * @internal
   */
  withLayers(what: string): ImageSource {
    if (this.#source) return this.#source;
    throw new UnsupportedError(`${what} ${this.reference}`, 'it is no image with layers, but a folder of this machine');
  }

  /**
   * The image for a platform: of an image for several that one, alone and without a name; else this, whatever it says of itself.
   *
   * @throws ImageError `ERR_NO_IMAGE` when none of several is for it
   * @internal
   */
  async forPlatform(platform: Platform): Promise<Image> {
    return this.index ? this.#for(platform) : this;
  }

  async #for(platform: Platform): Promise<Image> {
    const source = await sourceFor(this.withLayers('choose a platform of'), platform);
    return source === this.#source ? this : Image.#of(source, this.#limits ?? DEFAULT_LIMITS);
  }

  /**
   * The image of documents that are no file yet: the state between two steps of a build. Its layers must be in the store, and held.
   *
   * @internal
   */
  static ofSource(source: ImageSource): Image {
    return Image.#of(source, DEFAULT_LIMITS);
  }

  /** An image that has just come into the store. @internal */
  static async ofStored(reference: string | null, digest: string, limits: ParsedLimits = DEFAULT_LIMITS): Promise<Image> {
    const source = await asImageErrors(`open ${reference ?? digest}`, () => findEntry(reference, digest), { reference });
    if (source) return Image.#of(source, limits);
    throw new ImageError(`${reference ?? digest} was removed from the store meanwhile`, { reference, digest, code: 'ERR_NO_IMAGE' });
  }

  static #of(source: ImageSource, limits: ParsedLimits): Image {
    return new Image({
      reference: source.reference,
      config: imageConfig(source.config.config),
      source,
      limits,
      use: (options) => useLayers(source, { ...options, limits }),
    });
  }
}

/** What an image can be made of: a container, an overlay. */
export interface Committable {
  /** The image below the changes. */
  readonly image?: Image | null;
  /** The changes as the tar stream of an OCI layer, not compressed. */
  layer(options?: LayerOptions): Promise<Readable>;
  /** Each layer's stream, the lowest first, where there are more layers than the changes. */
  layers?(): readonly LayerStream[];
}

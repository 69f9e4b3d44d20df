import { existsSync } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { ImageError } from '../../errors.js';
import { digestOf, parseDigest } from './digest.js';
import {
  checkConfigType,
  checkManifest,
  type Descriptor,
  imageNameOf,
  isIndex,
  isManifest,
  MAX_JSON,
  type Manifest,
  mediaTypeOf,
  type OciConfig,
  parseConfig,
  parseIndex,
  parseLayoutFile,
  parseManifest,
  tagOf,
} from './image-documents.js';
import type { ImageSource } from './image-source.js';
import { type Platform, platformName, selectPlatform } from './platform.js';
import { openFile, readSmall } from './read-small.js';
import { formatReference } from './reference.js';

/** An image found in a layout: all of it but the layers, verified. */
export interface FoundImage {
  readonly tag: string | null;
  /** The full name, where the layout has one. */
  readonly name: string | null;
  /** The descriptor of the platform's own manifest. */
  readonly descriptor: Descriptor;
  readonly manifest: Manifest;
  readonly config: OciConfig;
}

/** Where a layout's documents are read: a folder, or an archive of one. */
export interface LayoutFiles {
  readonly path: string;
  /** Reads all of a small file. @throws ImageError */
  read(name: string): Promise<Uint8Array>;
}

/** An OCI image layout (image-layout.md): read only, and believed only where a digest says so. */
export class OciLayout {
  readonly path: string;
  /** The entries of index.json. */
  readonly entries: readonly Descriptor[];
  readonly #files: LayoutFiles;

  private constructor(files: LayoutFiles, entries: readonly Descriptor[]) {
    this.path = files.path;
    this.entries = entries;
    this.#files = files;
  }

  /** @throws ImageError when it is no layout */
  static async open(from: string | LayoutFiles): Promise<OciLayout> {
    const files = typeof from === 'string' ? folderFiles(from) : from;
    parseLayoutFile(await files.read('oci-layout'));
    const { manifests } = parseIndex(await files.read('index.json'), `${files.path}: index.json`);
    return new OciLayout(files, manifests);
  }

  /**
   * All images of the layout that are for this machine: one for each index, and for each name with several platforms. Artefacts are left
   * out, as a layout may hold anything (image-layout.md, "index.json file").
   *
   * @throws ImageError when there is none
   */
  async images(): Promise<FoundImage[]> {
    const found: FoundImage[] = [];
    let refusal: ImageError | undefined;
    for (const entry of this.#chosen()) {
      try {
        found.push(await this.resolve(entry));
      } catch (error) {
        if (!(error instanceof ImageError && error.code === 'ERR_NO_IMAGE')) throw error;
        refusal ??= error;
      }
    }
    if (found.length === 0)
      throw refusal ?? new ImageError(`${this.path}: the layout has no image for this machine`, { code: 'ERR_NO_IMAGE' });
    return found;
  }

  /** For each name this machine's entry, and all entries without a name. Docker writes the tag alone as the reference. */
  #chosen(): Descriptor[] {
    const nameOf = (entry: Descriptor): string | null => imageNameOf(entry) ?? tagOf(entry);
    const entries = this.entries.filter((entry) => isIndex(entry) || isManifest(entry));
    return [...new Set(entries.map(nameOf))].flatMap((name) => {
      const same = entries.filter((entry) => nameOf(entry) === name);
      const groups = name === null ? same.map((entry) => [entry]) : [same];
      return groups.flatMap((group) => selectPlatform(group) ?? []);
    });
  }

  /** The image with a tag; without one, the only image. @param wanted default: this machine's platform */
  async find(tag: string | null, reference: string, wanted?: Platform): Promise<FoundImage> {
    const candidates = tag === null ? this.entries : this.entries.filter((descriptor) => tagOf(descriptor) === tag);
    // A tag may have several entries: skopeo copies a multi-platform image so with `--all`, or one entry for each platform.
    const chosen = tag === null && candidates.length > 1 ? undefined : selectPlatform(candidates, wanted);
    if (chosen) return this.resolve(chosen, wanted);
    const tags = [...new Set(this.entries.map(tagOf))].map((name) => name ?? '(untagged)');
    const there = tags.length === 0 ? 'it is empty' : `it has ${tags.slice(0, 20).join(', ')}`;
    throw new ImageError(
      `${reference}: ${tag === null ? 'say which image of the layout' : `no image ${tag} for ${nameOf(wanted)} in the layout`}: ${there}`,
      { reference },
    );
  }

  /** The images of an index, in its order. Attestations, which say that they are for no platform, are none. */
  async manifestsOf(index: Descriptor): Promise<Descriptor[]> {
    const { manifests } = parseIndex(await this.#readDocument(index), `index ${index.digest}`);
    return manifests.filter((entry) => isManifest(entry) && entry.platform?.os !== 'unknown');
  }

  /** The image of an entry: when that is an index, that for the platform. @param wanted default: this machine's */
  async resolve(descriptor: Descriptor, wanted?: Platform): Promise<FoundImage> {
    let current = descriptor;
    // An index may hold an index; no real image has more levels than these.
    for (let depth = 0; isIndex(current); depth++) {
      const nested = parseIndex(await this.#readDocument(current), `index ${current.digest}`);
      const chosen = depth < 4 ? selectPlatform(nested.manifests, wanted) : undefined;
      if (!chosen)
        throw new ImageError(`index ${current.digest} has no image for ${nameOf(wanted)}`, {
          digest: current.digest,
          code: 'ERR_NO_IMAGE',
        });
      current = chosen;
    }
    if (!isManifest(current)) {
      throw new ImageError(`${current.digest} has the media type ${JSON.stringify(current.mediaType)}, which is no image's`, {
        digest: current.digest,
        code: 'ERR_NO_IMAGE',
      });
    }
    const manifest = parseManifest(await this.#readDocument(current), `manifest ${current.digest}`);
    checkConfigType(manifest);
    const config = parseConfig(await this.#readJson(manifest.config), `config ${manifest.config.digest}`);
    checkManifest(manifest, config);
    return { tag: tagOf(descriptor), name: imageNameOf(descriptor), descriptor: current, manifest, config };
  }

  /** Reads an index or a manifest, and checks that it is of the type that its descriptor says. */
  async #readDocument(descriptor: Descriptor): Promise<Uint8Array> {
    const bytes = await this.#readJson(descriptor);
    mediaTypeOf(bytes, descriptor.mediaType, `document ${descriptor.digest}`);
    return bytes;
  }

  async #readJson({ digest, size }: Descriptor): Promise<Uint8Array> {
    if (size > MAX_JSON) throw new ImageError(`document ${digest} is larger than ${MAX_JSON} bytes`, { digest });
    const bytes = await this.#files.read(blobName(digest));
    if (bytes.length !== size)
      throw new ImageError(`document ${digest} in ${this.path} has ${bytes.length} bytes where its descriptor says ${size}`, { digest });
    const found = digestOf(bytes, parseDigest(digest).algorithm);
    if (found !== digest) throw new ImageError(`document ${digest} is damaged or forged: its bytes have the digest ${found}`, { digest });
    return bytes;
  }
}

/**
 * Takes 'DIR:TAG' apart. Both may have colons, as a full name has: the folder is the first one that holds a layout. Where there is none,
 * the tag is what follows the last colon, unless a '/' comes after that.
 */
export function splitLocation(location: string): { readonly path: string; readonly tag: string | null } {
  const colons = [...location.matchAll(/:/g)].map(({ index }) => index);
  const found = colons.find((at) => existsSync(join(location.slice(0, at), 'oci-layout')));
  const last = location.indexOf('/', colons.at(-1)) < 0 ? colons.at(-1) : undefined;
  const at = found ?? (existsSync(join(location, 'oci-layout')) ? undefined : last);
  return at === undefined ? { path: location, tag: null } : { path: location.slice(0, at), tag: location.slice(at + 1) };
}

function nameOf(wanted: Platform | undefined): string {
  return wanted ? platformName(wanted) : 'this machine';
}

/** An image of a layout folder. @param wanted default: this machine's platform */
export async function openLayout(path: string, tag: string | null, asked: string, wanted?: Platform): Promise<ImageSource> {
  const found = await (await OciLayout.open(path)).find(tag, asked, wanted);
  const reference = formatReference({ kind: 'oci', location: found.tag === null ? path : `${path}:${found.tag}` });
  return { ...found, reference, openBlob: (blob) => openBlobIn(path, blob) };
}

/** The path of a blob's file in the layout. @throws ImageError when it is no digest */
export function blobName(digest: string): string {
  const { algorithm, hex } = parseDigest(digest);
  return `blobs/${algorithm}/${hex}`;
}

/** A blob of a layout folder as a file, its size checked. The reader checks the digest over what it reads. */
export async function openBlobIn(folder: string, { digest, size }: Descriptor): Promise<FileHandle> {
  const handle = await openFile(join(folder, blobName(digest)), `blob ${digest}`);
  const stats = await handle.stat();
  if (stats.isFile() && stats.size === size) return handle;
  await handle.close();
  throw new ImageError(`blob ${digest} in ${folder} has ${stats.size} bytes where its descriptor says ${size}`, { digest });
}

function folderFiles(path: string): LayoutFiles {
  return { path, read: (name) => readSmall(join(path, name), `${path}: ${name}`) };
}

import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { ImageError } from '../errors.js';
import { digestOf, parseDigest } from './digest.js';
import {
  checkConfigType,
  checkManifest,
  type Descriptor,
  isIndex,
  isManifest,
  MAX_JSON,
  type Manifest,
  type OciConfig,
  parseConfig,
  parseIndex,
  parseLayoutFile,
  parseManifest,
  selectPlatform,
  tagOf,
} from './oci.js';

/** An image found in a layout: all of it but the layers, verified. */
export interface FoundImage {
  readonly tag: string | null;
  /** Of the platform's own manifest. */
  readonly digest: string;
  readonly manifest: Manifest;
  readonly config: OciConfig;
}

/** An OCI image layout folder (image-layout.md): read only, and believed only where a digest says so. */
export class OciLayout {
  readonly path: string;
  readonly #manifests: readonly Descriptor[];

  private constructor(path: string, manifests: readonly Descriptor[]) {
    this.path = path;
    this.#manifests = manifests;
  }

  /** @throws ImageError when it is no layout */
  static async open(path: string): Promise<OciLayout> {
    parseLayoutFile(await readSmall(join(path, 'oci-layout'), `${path}: oci-layout`));
    const { manifests } = parseIndex(await readSmall(join(path, 'index.json'), `${path}: index.json`), `${path}: index.json`);
    return new OciLayout(path, manifests);
  }

  /** All images of the layout: for an index of several platforms, this machine's. */
  async images(): Promise<FoundImage[]> {
    const found: FoundImage[] = [];
    for (const descriptor of this.#manifests) {
      if (isIndex(descriptor) || isManifest(descriptor)) found.push(await this.#resolve(descriptor, tagOf(descriptor)));
    }
    return found;
  }

  /** The image with a tag; without one, the only image. */
  async find(tag: string | null, reference: string): Promise<FoundImage> {
    const candidates = tag === null ? this.#manifests : this.#manifests.filter((descriptor) => tagOf(descriptor) === tag);
    // Several entries of one tag: as skopeo copies a multi-platform image with `--all`, or one for each platform.
    const chosen = tag === null && candidates.length > 1 ? undefined : selectPlatform(candidates);
    if (chosen) return this.#resolve(chosen, tag ?? tagOf(chosen));
    const tags = [...new Set(this.#manifests.map(tagOf))].map((name) => name ?? '(untagged)');
    const there = tags.length === 0 ? 'it is empty' : `it has ${tags.slice(0, 20).join(', ')}`;
    throw new ImageError(
      `${reference}: ${tag === null ? 'say which image of the layout' : `no image ${tag} for this machine in the layout`}: ${there}`,
      { reference },
    );
  }

  /** A blob as a file, its size checked. The digest is for the reader to check, over what it reads. */
  async openBlob({ digest, size }: Descriptor): Promise<FileHandle> {
    const { algorithm, hex } = parseDigest(digest);
    const path = join(this.path, 'blobs', algorithm, hex);
    const handle = await openFile(path, `blob ${digest}`);
    const stats = await handle.stat();
    if (stats.isFile() && stats.size === size) return handle;
    await handle.close();
    throw new ImageError(`blob ${digest} in ${this.path} has ${stats.size} bytes where its descriptor says ${size}`, { digest });
  }

  async #resolve(descriptor: Descriptor, tag: string | null): Promise<FoundImage> {
    let current = descriptor;
    // An index may hold an index; more than that is no image of this world.
    for (let depth = 0; isIndex(current); depth++) {
      const nested = parseIndex(await this.#readJson(current), `index ${current.digest}`);
      const chosen = depth < 4 ? selectPlatform(nested.manifests) : undefined;
      if (!chosen) throw new ImageError(`index ${current.digest} has no image for this machine`, { digest: current.digest });
      current = chosen;
    }
    if (!isManifest(current)) {
      throw new ImageError(`${current.digest} has the media type ${JSON.stringify(current.mediaType)}, which is no image's`, {
        digest: current.digest,
      });
    }
    const manifest = parseManifest(await this.#readJson(current), `manifest ${current.digest}`);
    checkConfigType(manifest);
    const config = parseConfig(await this.#readJson(manifest.config), `config ${manifest.config.digest}`);
    checkManifest(manifest, config);
    return { tag, digest: current.digest, manifest, config };
  }

  async #readJson(descriptor: Descriptor): Promise<Uint8Array> {
    const { digest, size } = descriptor;
    if (size > MAX_JSON) throw new ImageError(`document ${digest} is larger than ${MAX_JSON} bytes`, { digest });
    const handle = await this.openBlob(descriptor);
    try {
      const bytes = await readUpTo(handle, size);
      const found = digestOf(bytes, parseDigest(digest).algorithm);
      if (found !== digest) throw new ImageError(`document ${digest} is damaged or forged: its bytes have the digest ${found}`, { digest });
      return bytes;
    } finally {
      await handle.close();
    }
  }
}

async function openFile(path: string, what: string): Promise<FileHandle> {
  try {
    return await open(path, 'r');
  } catch (cause) {
    throw new ImageError(`${what} can't be read: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  }
}

async function readUpTo(handle: FileHandle, size: number): Promise<Uint8Array> {
  const buffer = new Uint8Array(size);
  let done = 0;
  while (done < size) {
    const { bytesRead } = await handle.read(buffer, done, size - done, done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return buffer.subarray(0, done);
}

async function readSmall(path: string, what: string): Promise<Uint8Array> {
  const handle = await openFile(path, what);
  try {
    const stats = await handle.stat();
    if (!stats.isFile()) throw new ImageError(`${what} is not a file`);
    if (stats.size > MAX_JSON) throw new ImageError(`${what} is larger than ${MAX_JSON} bytes`);
    return await readUpTo(handle, stats.size);
  } finally {
    await handle.close();
  }
}

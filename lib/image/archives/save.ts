import { createWriteStream, statSync } from 'node:fs';
import { mkdir, open, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { Readable, type Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { Header } from 'tar';
import { hasCode, ImageError, invalidOption } from '../../errors.js';
import { wordsOf } from '../../native/system-errors.js';
import { newId } from '../../plan/id.js';
import { Verifier } from '../formats/digest.js';
import { type Descriptor, LAYOUT_FILE, MEDIA, tagOf, withName } from '../formats/image-documents.js';
import type { ImageSource } from '../formats/image-source.js';
import { blobName, OciLayout } from '../formats/oci-layout.js';
import { parseReference } from '../formats/reference.js';
import { streamFrom } from '../layers/add-image.js';

export type SaveFormat = 'oci' | 'docker';

/** A file that is saved: bytes at hand, or a blob. */
type SavedFile = { readonly name: string } & ({ readonly bytes: Uint8Array } | { readonly blob: Descriptor });

/** What is saved: an image, or another artefact. */
type Documents = Omit<ImageSource, 'config'>;

/** What is saved: of an image for several platforms all of them, but for docker's format, which has one. */
interface Saved {
  readonly documents: Documents;
  /** What the entry of the layout's index names. */
  readonly descriptor: Descriptor;
  /** All blobs, each once: layers may repeat. */
  readonly blobs: readonly Descriptor[];
}

/**
 * Writes an image as an OCI layout: into a folder that is there (or is named with a '/' at its end), beside the images that it has; else
 * as a tar archive. With the format 'docker' the archive has docker's manifest.json as well. The same image gives the same bytes.
 *
 * @throws ImageError when a blob is damaged or can't be written; a file that was begun is removed
 */
export async function save(image: Documents, target: string | Writable, format: SaveFormat): Promise<void> {
  if (typeof target !== 'string') return pipeline(Readable.from(archiveOf(image, format), { objectMode: false }), target);
  const path = resolve(target);
  const isFolder = target.endsWith('/') || statSync(path, { throwIfNoEntry: false })?.isDirectory();
  if (!isFolder)
    return writeWhole(path, (temporary) =>
      pipeline(Readable.from(archiveOf(image, format), { objectMode: false }), createWriteStream(temporary)),
    );
  if (format === 'docker') throw invalidOption('format', `'docker' is an archive, and ${path} is a folder`);
  await saveLayout(image, path);
}

/** Writes the blobs first and the index last: until then the folder is what it was. */
async function saveLayout(image: Documents, path: string): Promise<void> {
  await mkdir(path, { recursive: true });
  const others = await entriesOf(path);
  const saved = await savedOf(image, 'oci');
  const entry = entryOf(saved, 'oci');
  for (const blob of saved.blobs) {
    const file = join(path, blobName(blob.digest));
    if (statSync(file, { throwIfNoEntry: false })?.size === blob.size) continue;
    await mkdir(dirname(file), { recursive: true });
    await writeWhole(file, async (temporary) => pipeline(verified(image, blob), createWriteStream(temporary)));
  }
  const kept = others.filter((other) => tagOf(other) !== tagOf(entry) || (tagOf(entry) === null && other.digest !== entry.digest));
  await writeWhole(join(path, 'oci-layout'), (temporary) => writeFile(temporary, LAYOUT_FILE));
  await writeWhole(join(path, 'index.json'), (temporary) => writeFile(temporary, indexOf([...kept, entry])));
}

async function entriesOf(path: string): Promise<readonly Descriptor[]> {
  const isLayout = statSync(join(path, 'index.json'), { throwIfNoEntry: false }) !== undefined;
  return isLayout ? (await OciLayout.open(path)).entries : [];
}

async function* archiveOf(image: Documents, format: SaveFormat): AsyncGenerator<Buffer> {
  const saved = await savedOf(image, format);
  const files: SavedFile[] = [
    { name: 'oci-layout', bytes: Buffer.from(LAYOUT_FILE) },
    { name: 'index.json', bytes: Buffer.from(indexOf([entryOf(saved, format)])) },
    ...(format === 'docker' ? [{ name: 'manifest.json', bytes: Buffer.from(dockerManifest(image)) }] : []),
    ...saved.blobs.map((blob) => ({ name: blobName(blob.digest), blob })),
  ];
  for (const file of files) {
    const size = 'blob' in file ? file.blob.size : file.bytes.length;
    yield headerOf(file.name, size);
    if ('blob' in file) yield* verified(image, file.blob);
    else yield Buffer.from(file.bytes);
    yield Buffer.alloc((BLOCK - (size % BLOCK)) % BLOCK);
  }
  yield Buffer.alloc(2 * BLOCK);
}

const BLOCK = 512;

/** The tar header of a file. It is the same for everybody and at any time. */
function headerOf(path: string, size: number): Buffer {
  const block = Buffer.alloc(BLOCK);
  const header = new Header({ path, size, type: 'File', mode: 0o644, uid: 0, gid: 0, mtime: new Date(0) });
  if (header.encode(block)) throw new ImageError(`save ${path}: ${size} bytes are too many for an archive`);
  return block;
}

async function savedOf(documents: Documents, format: SaveFormat): Promise<Saved> {
  const index = format === 'oci' ? documents.index : undefined;
  const images = index ? await Promise.all(index.manifests.map((manifest) => index.image(manifest))) : [documents];
  const all = images.flatMap(({ descriptor, manifest }) => [descriptor, manifest.config, ...manifest.layers]);
  const blobs = [...new Map([...(index ? [index.descriptor] : []), ...all].map((blob) => [blob.digest, blob])).values()];
  return { documents, descriptor: index?.descriptor ?? documents.descriptor, blobs };
}

async function* verified(image: Documents, blob: Descriptor): AsyncGenerator<Buffer> {
  const verifier = new Verifier({ digest: blob.digest, size: blob.size, what: 'blob' });
  const file = await image.openBlob(blob);
  const reading = pipeline(streamFrom(file, 0), verifier);
  // the verifier, which is what is read here, has this failure too
  reading.catch(() => undefined);
  yield* verifier;
}

/**
 * The image's entry in the index. With the format 'docker', the full name is in containerd's annotation and the reference is the tag alone,
 * as docker writes them.
 */
function entryOf({ documents: image, descriptor }: Saved, format: SaveFormat): Descriptor {
  const reference = image.reference === null ? null : parseReference(image.reference);
  if (reference?.kind === 'oci') return withName(descriptor, { tag: image.tag });
  if (reference?.kind !== 'registry') return withName(descriptor, { tag: null });
  return withName(descriptor, format === 'docker' ? { tag: reference.tag, name: image.reference } : { tag: image.reference });
}

function indexOf(manifests: readonly Descriptor[]): string {
  return JSON.stringify({ schemaVersion: 2, mediaType: MEDIA.index, manifests });
}

function dockerManifest({ reference, manifest }: Documents): string {
  const name = reference === null ? null : parseReference(reference);
  const tags = name?.kind === 'registry' && name.tag !== null ? [`${name.registry}/${name.repository}:${name.tag}`] : [];
  return JSON.stringify([
    { Config: blobName(manifest.config.digest), RepoTags: tags, Layers: manifest.layers.map(({ digest }) => blobName(digest)) },
  ]);
}

/** Writes under another name first, so that whoever looks finds the whole file or nothing. */
async function writeWhole(path: string, write: (temporary: string) => Promise<void>): Promise<void> {
  const temporary = join(dirname(path), `.nacelle-${newId()}`);
  try {
    await write(temporary);
    const file = await open(temporary, 'r');
    await file.sync().finally(() => file.close());
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    if (hasCode(error, 'ENOENT', 'ENOTDIR', 'EACCES', 'EROFS', 'ENOSPC', 'EDQUOT', 'EISDIR'))
      throw new ImageError(`save ${path}: ${wordsOf(error)}`, { cause: error });
    throw error;
  }
}

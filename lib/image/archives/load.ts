import { createReadStream, type Stats } from 'node:fs';
import { type FileHandle, open, stat, unlink } from 'node:fs/promises';
import { resolve } from 'node:path';
import { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { hasCode, ImageError, toError } from '../../errors.js';
import { wordsOf } from '../../native/system-errors.js';
import { holdSource, letSourceGo } from '../../process/streams/held-source.js';
import { type Hold, hold } from '../../store/lease.js';
import { type Compression, compressionIn, compressionOf, decompression, MAGIC_BYTES } from '../formats/decompress.js';
import type { Descriptor } from '../formats/image-documents.js';
import type { ImageSource } from '../formats/image-source.js';
import { blobName, OciLayout, openBlobIn } from '../formats/oci-layout.js';
import { nameIn, requireOne } from '../formats/reference.js';
import { Cap, mostBytes, type ParsedLimits } from '../formats/unpack-limits.js';
import { addImage, streamFrom } from '../layers/add-image.js';
import type { Loaded } from '../layers/add-made-image.js';
import { writeAll } from '../store/blobs.js';

import { findByConfig, findEntry } from '../store/stored-images.js';
import { Archive } from './archive.js';
import { addDockerImages, dockerConfigs, isDockerArchive } from './docker-archive.js';
import type { LoadSettings } from './load-settings.js';
import { addRootFs } from './root-fs-archive.js';

/** Names of the files of `docker save` and of an archived OCI layout (containerd's have a folder `ingest`); a root file system has others. */
const OF_IMAGES =
  /^(?:\.?|oci-layout|index\.json|manifest\.json|repositories|ingest(?:\/.*)?|blobs(?:\/.*)?|[0-9a-f]{64}(?:\.json|\.tar|\/(?:VERSION|json|layer\.tar))?)$/;

/**
 * Brings what is in a folder, an archive or a stream of one into the store: an OCI layout, what `docker save` wrote (old and new), or a
 * plain archive of a root file system, as `docker export` writes it. The content tells whether the compression is gzip, zstd or none.
 *
 * @throws ImageError when it is none of these, or damaged
 */
export async function load(source: string | Readable, options: LoadSettings): Promise<Loaded[]> {
  if (typeof source !== 'string') return loadStream(source, { options, what: 'the archive', size: 0 });
  const path = resolve(source);
  const kind = await statusOf(path);
  if (kind.isDirectory()) return loadLayout(await OciLayout.open(path), folderBlobs(path), options);
  // a pipe or a device can't be read twice
  if (!kind.isFile()) return loadStream(createReadStream(path), { options, what: path, size: 0 });
  return loadFile(path, options);
}

/**
 * The only image of an archive, without a name in the store: a prune takes it, and the next use brings it again. When the image is there
 * already, which its config tells, only headers of the archive are read.
 *
 * @throws ImageError when it has another number of images
 */
export async function openDockerArchive(path: string, limits: ParsedLimits): Promise<ImageSource> {
  const reference = `docker-archive:${path}`;
  const known = await findKnown(resolve(path));
  if (known) return { ...known, reference };
  const [loaded] = await load(path, { limits, reference: null });
  const source = loaded ? await findEntry(null, loaded.digest) : null;
  if (source) return { ...source, reference };
  throw new ImageError(`open ${path}: the image was removed from the store meanwhile`, { reference, code: 'ERR_NO_IMAGE' });
}

async function findKnown(path: string): Promise<ImageSource | null> {
  const archive = (await compressionAt(path)) === 'none' ? await Archive.open(path, (name) => OF_IMAGES.test(name)) : null;
  if (!archive) return null;
  try {
    const [config, ...others] = isDockerArchive(archive) ? await dockerConfigs(archive) : [];
    return config === undefined || others.length > 0 ? null : await findByConfig(config);
  } finally {
    await archive.close();
  }
}

async function statusOf(path: string): Promise<Stats> {
  try {
    return await stat(path);
  } catch (cause) {
    throw new ImageError(`load ${path}: ${wordsOf(cause)}`, { cause });
  }
}

/** Loads a file. A compressed archive is written to the store without its compression, for entries are read by their place in the file. */
async function loadFile(path: string, options: LoadSettings): Promise<Loaded[]> {
  const file = await openFile(path);
  try {
    if ((await compressionIn(file)) === 'none') return await loadArchive(path, options);
    const { size } = await file.stat();
    return await loadStream(file.createReadStream({ autoClose: false }), { options, what: path, size });
  } finally {
    await file.close();
  }
}

async function compressionAt(path: string): Promise<Compression> {
  const file = await openFile(path);
  try {
    return await compressionIn(file);
  } finally {
    await file.close();
  }
}

async function openFile(path: string): Promise<FileHandle> {
  return open(path, 'r').catch((cause: unknown) => {
    throw new ImageError(`load ${path}: ${wordsOf(cause)}`, { cause });
  });
}

interface StreamSettings {
  readonly options: LoadSettings;
  /** The name of the source for error messages. */
  readonly what: string;
  /** Bytes, as far as it is known. */
  readonly size: number;
}

/** Loads a stream, which is read to its end or destroyed. */
async function loadStream(source: Readable, { options, what, size }: StreamSettings): Promise<Loaded[]> {
  // whoever reads the stream gets its error, but the error may come before that
  source.on('error', () => undefined);
  holdSource(source);
  let held: Hold | undefined;
  try {
    held = await hold([]);
    const path = await held.temporaryPath();
    try {
      await spool(source, path, { ...options, what, size });
      return await loadArchive(path, options);
    } finally {
      await unlink(path).catch((error: unknown) => {
        if (!hasCode(error, 'ENOENT')) throw error;
      });
    }
  } finally {
    source.destroy();
    // the stream was read by its iterator, which goes on while it is held
    letSourceGo(source);
    held?.release();
  }
}

type SpoolSettings = Pick<LoadSettings, 'limits' | 'signal'> & Pick<StreamSettings, 'what' | 'size'>;

/** Writes a stream to a file, decompressed. */
async function spool(source: Readable, path: string, { limits, signal, what, size }: SpoolSettings): Promise<void> {
  const chunks = source[Symbol.asyncIterator]();
  // an abort works also while no data comes
  const abort = (): void => void source.destroy(toError(signal?.reason));
  if (signal?.aborted) abort();
  signal?.addEventListener('abort', abort, { once: true });
  let file: FileHandle | undefined;
  try {
    file = await open(path, 'wx', 0o600);
    let start = Buffer.alloc(0);
    while (start.length < MAGIC_BYTES) {
      const next = await chunks.next();
      if (next.done) break;
      start = Buffer.concat([start, next.value]);
    }
    let read = start.length;
    const whole = Readable.from(
      (async function* () {
        yield start;
        for await (const chunk of { [Symbol.asyncIterator]: () => chunks }) {
          read += chunk.length;
          yield chunk;
        }
      })(),
      { objectMode: false },
    );
    const stages = await decompression(compressionOf(start));
    const cap = new Cap(() => mostBytes(limits, Math.max(read, size)), { what: `${what}, uncompressed,` });
    const sinks = [...stages, cap, sinkOf(file)];
    // a failing sink destroys the source, else the pipeline would wait for a source that gives no more data
    for (const sink of sinks) sink.once('error', () => source.destroy());
    await pipeline([whole, ...sinks], signal ? { signal } : {});
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  } finally {
    signal?.removeEventListener('abort', abort);
    await file?.close();
  }
}

/** A stream that writes to a file, which stays open. */
function sinkOf(file: FileHandle): Writable {
  return new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      writeAll(file, chunk).then(() => done(), done);
    },
  });
}

async function loadArchive(path: string, options: LoadSettings): Promise<Loaded[]> {
  const archive = await Archive.open(path, (name) => OF_IMAGES.test(name));
  if (!archive) return [await addRootFs(path, options)];
  try {
    if (archive.has('index.json')) {
      const blobs = (blob: Descriptor, from: number): Readable => archive.stream(blobName(blob.digest), from);
      return await loadLayout(await OciLayout.open(archive), blobs, options);
    }
    if (isDockerArchive(archive)) return await addDockerImages(archive, options);
  } finally {
    await archive.close();
  }
  return [await addRootFs(path, options)];
}

type OpenBlob = (blob: Descriptor, from: number) => Readable | Promise<Readable>;

function folderBlobs(path: string): OpenBlob {
  return async (blob, from) => streamFrom(await openBlobIn(path, blob), from);
}

async function loadLayout(layout: OciLayout, openBlob: OpenBlob, options: LoadSettings): Promise<Loaded[]> {
  const loaded: Loaded[] = [];
  const images = await layout.images();
  const given = options.reference;
  if (given !== undefined) requireOne(layout.path, new Set(images.map(({ descriptor }) => descriptor.digest)).size, given);
  for (const image of given === undefined ? images : images.slice(0, 1)) {
    const own = (): string | null => (image.name === null ? null : nameIn(layout.path, image.name));
    const reference = given === undefined ? own() : given;
    await addImage(reference, { ...image, openBlob }, options);
    loaded.push({ reference, digest: image.descriptor.digest });
  }
  return loaded;
}

import { createHash, type Hash } from 'node:crypto';
import { type FileHandle, open, readFile, stat, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { hasCode, ImageError, toError } from '../../errors.js';
import { storeRoot } from '../../host/store-path.js';
import { tryLock } from '../../native/load-addon.js';
import { type Hold, hold } from '../../store/lease.js';
import { lockFile, withLock } from '../../store/store-lock.js';
import { makeFolder, publish } from '../../store/store-root.js';
import { type Compression, compressionOf, MAGIC_BYTES } from '../formats/decompress.js';
import { digestOf, parseDigest } from '../formats/digest.js';
import { type Descriptor, MAX_JSON } from '../formats/image-documents.js';
import type { Arrival } from './arrival.js';
import { blobPath } from './image-paths.js';

/** A layer whose blob is in the store. */
export interface StoredLayer {
  readonly digest: string;
  readonly size: number;
  readonly compression: Compression;
}

/** Where a blob comes from. */
export interface BlobSource {
  readonly digest: string;
  readonly size: number;
  /** Opens the blob's bytes, from byte `from` on. */
  open(from: number): Readable | Promise<Readable>;
  /**
   * To be called when the bytes were not the blob's. @returns whether it makes sense to open it again, for another server may have the
   * right ones
   */
  mistrust?(): boolean;
}

export interface AddOptions {
  readonly signal?: AbortSignal | undefined;
  /** Called with the bytes that are there by now, those of an earlier try included. */
  readonly onBytes?: ((bytes: number) => void) | undefined;
}

export interface AddBlobOptions extends AddOptions {
  /** Told of the bytes while they come. */
  readonly arrival?: Arrival | undefined;
}

/** Whether a blob of the right size is there: it was verified before it got its name. */
export async function hasBlob({ digest, size }: Pick<Descriptor, 'digest' | 'size'>, root = storeRoot()): Promise<boolean> {
  try {
    return (await stat(blobPath(root, digest))).size === size;
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return false;
    throw error;
  }
}

/**
 * Brings a blob into the store, unless it is there. When several callers bring the same one, in whatever process, one does the work and the
 * others wait. A blob that was cut off goes on where it stopped, also in another process; wrong bytes are thrown away. The caller must hold
 * the digest before.
 *
 * @returns whether anything had to be read
 * @throws ImageError when the bytes are not what the digest and size say
 */
export async function addBlob(
  source: BlobSource,
  { signal, onBytes, arrival }: AddBlobOptions = {},
  root = storeRoot(),
): Promise<'exists' | 'added'> {
  const { digest } = source;
  const told = (bytes: number): void => {
    arrival?.grown(bytes);
    onBytes?.(bytes);
  };
  const target = blobPath(root, digest);
  const ingest = join(await makeFolder(join(root, 'ingest')), digest.replace(':', '-'));
  for (;;) {
    if (await hasBlob(source, root)) return 'exists';
    const file = await open(ingest, 'a+', 0o600);
    try {
      await lockFile(file, 'exclusive', signal);
      // the one that had the lock before may have published the file, or thrown it away
      if (!(await isSameFile(file, ingest))) continue;
      // it may also have published the file between our look and our open, which then made a new file
      if (await hasBlob(source, root)) {
        await unlink(ingest);
        return 'exists';
      }
      await arrival?.begin(file);
      const wrong = await receive(source, { file, path: ingest, signal, onBytes: told });
      if (wrong !== null) {
        if (!source.mistrust?.()) throw new ImageError(wrong, { digest });
        await arrival?.spoil();
        await file.truncate(0);
        continue;
      }
      await file.sync();
      await makeFolder(dirname(target));
      await publish(ingest, target);
      return 'added';
    } catch (error) {
      // a part for which there is no room is not kept to go on from
      if (hasCode(error, 'ENOSPC', 'EDQUOT')) await unlink(ingest).catch(() => undefined);
      throw error;
    } finally {
      await file.close();
    }
  }
}

/** Removes the part of a blob that was cut off, unless somebody brings the blob just now. */
export async function discardPart({ digest }: Pick<Descriptor, 'digest'>, root = storeRoot()): Promise<void> {
  await discardIngest(join(root, 'ingest', digest.replace(':', '-')));
}

/** The same as {@link discardPart} for a file in `ingest`. */
export async function discardIngest(path: string): Promise<void> {
  try {
    const file = await open(path, 'r+');
    try {
      if (tryLock(file.fd, 'exclusive')) await unlink(path);
    } finally {
      await file.close();
    }
  } catch (error) {
    // the blob is complete by now, or nothing of it ever came
    if (!hasCode(error, 'ENOENT')) throw error;
  }
}

interface Ingest extends AddOptions {
  readonly file: FileHandle;
  readonly path: string;
}

/** Reads the bytes after those that are there already, which are hashed first. @returns what is wrong with them */
async function receive({ digest, size, open: openFrom }: BlobSource, { file, path, signal, onBytes }: Ingest): Promise<string | null> {
  const { algorithm, hex } = parseDigest(digest);
  const there = Math.min((await file.stat()).size, size);
  await file.truncate(there);
  const hash = createHash(algorithm);
  await hashFile(file, there, hash);
  let bytes = there;
  onBytes?.(bytes);
  if (bytes < size || size === 0) {
    const stream = await openFrom(there);
    const abort = (): void => void stream.destroy(toError(signal?.reason));
    if (signal?.aborted) abort();
    signal?.addEventListener('abort', abort, { once: true });
    try {
      for await (const chunk of stream as AsyncIterable<Buffer>) {
        bytes += chunk.length;
        if (bytes > size) break;
        hash.update(chunk);
        await writeAll(file, chunk);
        onBytes?.(bytes);
      }
    } finally {
      signal?.removeEventListener('abort', abort);
    }
  }
  const found = hash.digest('hex');
  if (bytes === size && found === hex) return null;
  // these bytes are nothing to go on from
  if (bytes >= size) await unlink(path);
  return problemOf({ digest, size, algorithm, bytes, found });
}

function problemOf({
  digest,
  size,
  algorithm,
  bytes,
  found,
}: {
  digest: string;
  size: number;
  algorithm: string;
  bytes: number;
  found: string;
}): string {
  if (bytes > size) return `blob ${digest} is longer than the ${size} bytes that its descriptor says`;
  if (bytes < size) return `blob ${digest} ended after ${bytes} of the ${size} bytes that its descriptor says`;
  return `blob ${digest} is damaged or forged: its bytes have the digest ${algorithm}:${found}`;
}

export async function hashFile(file: FileHandle, size: number, hash: Hash): Promise<void> {
  const buffer = Buffer.allocUnsafe(Math.min(size, 1 << 20));
  for (let at = 0; at < size; ) {
    const { bytesRead } = await file.read(buffer, 0, Math.min(buffer.length, size - at), at);
    if (bytesRead === 0) return;
    hash.update(buffer.subarray(0, bytesRead));
    at += bytesRead;
  }
}

export async function writeAll(file: FileHandle, chunk: Buffer): Promise<void> {
  for (let at = 0; at < chunk.length; ) at += (await file.write(chunk, at)).bytesWritten;
}

/** Whether a path still leads to an open file. */
export async function isSameFile(file: FileHandle, path: string): Promise<boolean> {
  try {
    const [mine, there] = [await file.stat(), await stat(path)];
    return mine.ino === there.ino && mine.dev === there.dev;
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return false;
    throw error;
  }
}

/** Removes a document of the store whose bytes don't fit its digest, as after a damage of the disk, so that it is brought anew. */
export async function discardDamaged(blob: Descriptor, root = storeRoot()): Promise<void> {
  if (blob.size > MAX_JSON || !(await hasBlob(blob, root))) return;
  const path = blobPath(root, blob.digest);
  const isDamaged = async () => digestOf(await readFile(path), parseDigest(blob.digest).algorithm) !== blob.digest;
  if (!(await isDamaged())) return;
  await withLock(root, 'exclusive', async () => {
    if ((await hasBlob(blob, root)) && (await isDamaged())) await unlink(path);
  });
}

/** Adds a blob whose bytes are at hand. The caller must hold its digest ({@link digestOf}) before. */
export async function addBytes(bytes: Uint8Array, root = storeRoot()): Promise<void> {
  await addBlob(
    { digest: digestOf(bytes), size: bytes.length, open: (from) => Readable.from([Buffer.from(bytes.subarray(from))]) },
    {},
    root,
  );
}

/**
 * Adds a stream of bytes whose digest is not known before: it is written to a file, hashed, and given its name. The blob is held until the
 * result is released.
 */
export async function addStream(
  stream: Readable,
  { signal, onBytes }: AddOptions = {},
  root = storeRoot(),
): Promise<StoredLayer & Pick<Hold, 'release'>> {
  const held = await hold([], root);
  try {
    const temporary = await held.temporaryPath();
    const file = await open(temporary, 'wx', 0o600);
    try {
      const hash = createHash('sha256');
      let size = 0;
      let start = Buffer.alloc(0);
      for await (const chunk of stream as AsyncIterable<Buffer>) {
        signal?.throwIfAborted();
        if (start.length < MAGIC_BYTES) start = Buffer.concat([start, chunk.subarray(0, MAGIC_BYTES)]);
        hash.update(chunk);
        await writeAll(file, chunk);
        size += chunk.length;
        onBytes?.(size);
      }
      const digest = `sha256:${hash.digest('hex')}`;
      const kept = await hold([digest], root);
      try {
        await file.sync();
        const target = blobPath(root, digest);
        await makeFolder(dirname(target));
        if (await hasBlob({ digest, size }, root)) await unlink(temporary);
        else await publish(temporary, target);
      } catch (error) {
        kept.release();
        throw error;
      }
      return { digest, size, compression: compressionOf(start), release: kept.release };
    } catch (error) {
      await unlink(temporary).catch((failure: unknown) => {
        if (!hasCode(failure, 'ENOENT')) throw failure;
      });
      throw error;
    } finally {
      await file.close();
    }
  } finally {
    held.release();
  }
}

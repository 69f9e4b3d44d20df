import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { NacelleError } from '../../errors.js';
import type { LayerFile } from './landing.js';
import { padding, TAR_END, tarHeader } from './tar-header.js';

const CHUNK = 256 * 1024;

/**
 * The tar of a layer.
 *
 * @param latest no file has a later time; seconds since the epoch, `null` for none
 * @param known SHA-256 of files' bytes as they were before, by their paths in the tree that they come from
 * @throws NacelleError `ERR_CHANGED` when a file has other bytes than it had when it was looked at
 */
export async function* layerTar(
  files: readonly LayerFile[],
  latest: number | null,
  known: ReadonlyMap<string, string> = new Map(),
): AsyncGenerator<Buffer, void, undefined> {
  for (const file of files) {
    yield tarHeader({ ...file, mtime: latest === null ? file.mtime : Math.min(file.mtime, latest) });
    yield* bytesOf(file, known);
    yield padding(file.size);
  }
  yield TAR_END;
}

/** A file's bytes, wherever they are. @throws NacelleError `ERR_CHANGED` */
export async function* bytesOf(
  { bytes, path, size }: LayerFile,
  known: ReadonlyMap<string, string> = new Map(),
): AsyncGenerator<Buffer, void, undefined> {
  if (bytes === null) return;
  if ('content' in bytes) yield bytes.content;
  else if ('file' in bytes) yield* contentAt(bytes.file, bytes.at, size, path);
  else if (!('tree' in bytes)) throw new NacelleError(`read ${path}: its bytes are not here`, { code: 'ERR_PROTOCOL' });
  else {
    const opened = await bytes.tree.open(bytes.path);
    try {
      yield* sameContent(contentOf(opened, size, bytes.path), bytes.path, bytes.isOwn ? undefined : known.get(bytes.path));
    } finally {
      await opened.close();
    }
  }
}

async function* sameContent(
  content: AsyncIterable<Buffer>,
  path: string,
  expected: string | undefined,
): AsyncGenerator<Buffer, void, undefined> {
  const hash = createHash('sha256');
  for await (const chunk of content) {
    if (expected !== undefined) hash.update(chunk);
    yield chunk;
  }
  if (expected !== undefined && hash.digest('hex') !== expected) throw changed(path);
}

/**
 * A file's bytes, which are to be `size`.
 *
 * @throws NacelleError `ERR_CHANGED`
 */
export async function* contentOf(file: FileHandle, size: number, path: string): AsyncGenerator<Buffer, void, undefined> {
  let left = size;
  while (left > 0) {
    const buffer = Buffer.allocUnsafe(Math.min(CHUNK, left));
    const { bytesRead } = await file.read(buffer, 0, buffer.length);
    if (bytesRead === 0) break;
    left -= bytesRead;
    yield buffer.subarray(0, bytesRead);
  }
  const more = await file.read(Buffer.alloc(1), 0, 1);
  if (left > 0 || more.bytesRead > 0) throw changed(path);
}

/** The bytes of a part of a file. @throws NacelleError `ERR_CHANGED` when it has fewer */
export async function* contentAt(file: FileHandle, from: number, size: number, path: string): AsyncGenerator<Buffer, void, undefined> {
  for (let at = from; at < from + size; ) {
    const buffer = Buffer.allocUnsafe(Math.min(CHUNK, from + size - at));
    const { bytesRead } = await file.read(buffer, 0, buffer.length, at);
    if (bytesRead === 0) throw changed(path);
    at += bytesRead;
    yield buffer.subarray(0, bytesRead);
  }
}

function changed(path: string): NacelleError {
  return new NacelleError(`read ${path}: it was changed while it was read`, { code: 'ERR_CHANGED' });
}

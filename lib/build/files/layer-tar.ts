import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { NacelleError } from '../../errors.js';
import type { LayerFile } from './landing.js';
import { ReadAhead } from './read-ahead.js';
import { padding, TAR_END, tarHeader } from './tar-header.js';

const CHUNK = 256 * 1024;
/** What is handed on at a time at least: each hand-over costs a turn of the thread pool. */
const GATHERED = 64 * 1024;

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
  let parts: Buffer[] = [];
  let length = 0;
  const isFullWith = (part: Buffer): boolean => {
    parts.push(part);
    length += part.length;
    return length >= GATHERED;
  };
  const gathered = (): Buffer => {
    const whole = Buffer.concat(parts);
    parts = [];
    length = 0;
    return whole;
  };
  const ahead = new ReadAhead(files, (file) => bytesOf(file, known));
  try {
    for (const [index, file] of files.entries()) {
      if (isFullWith(tarHeader({ ...file, mtime: latest === null ? file.mtime : Math.min(file.mtime, latest) }))) yield gathered();
      for await (const part of ahead.read(index)) if (isFullWith(part)) yield gathered();
      if (isFullWith(padding(file.size))) yield gathered();
    }
  } finally {
    await ahead.close();
  }
  parts.push(TAR_END);
  yield gathered();
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
  for (;;) {
    // one byte more than is expected tells whether there is more
    const buffer = Buffer.allocUnsafe(Math.min(CHUNK, left + 1));
    const { bytesRead } = await file.read(buffer, 0, buffer.length);
    if (bytesRead > left) throw changed(path);
    left -= bytesRead;
    if (bytesRead > 0) yield buffer.subarray(0, bytesRead);
    if (bytesRead === 0 || (left === 0 && bytesRead < buffer.length)) break;
  }
  if (left > 0) throw changed(path);
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

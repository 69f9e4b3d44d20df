import { createHash, hash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { NacelleError } from '../../errors.js';
import { contentBatches } from './content-batches.js';
import { type Extent, partsOf } from './holes.js';
import type { KnownBytes } from './known-bytes.js';
import type { LayerFile } from './layer-file.js';
import { padding, storedSize, TAR_END, tarHeader } from './tar-header.js';

const CHUNK = 256 * 1024;

/**
 * The tar of a layer.
 *
 * @param latest no file has a later time; seconds since the epoch, `null` for none
 * @param known SHA-256 of files' bytes as they were before, by their paths in the tree that they come from
 * @throws NacelleError `ERR_CHANGED` when a file has other bytes than it had when it was looked at
 */
export async function* layerTar(
  files: Iterable<LayerFile>,
  latest: number | null,
  known: KnownBytes = new Map(),
): AsyncGenerator<Buffer, void, undefined> {
  const gathered = new Gathered();
  for await (const batch of contentBatches(files)) {
    for (const [place, file] of batch.files.entries()) {
      // a loop over what is at hand and not `yield*`, which would wait for each of many thousand files
      const extents = extentsOf(file, known);
      const timely = latest === null || file.mtime <= latest ? file : { ...file, mtime: latest };
      for (const full of gathered.take(tarHeader(extents ? { ...timely, extents } : timely))) yield full;
      const content = batch.contentOf(place);
      if (content) {
        requireKnown(content, file, known);
        for (const full of gathered.take(content)) yield full;
      } else if (file.bytes) {
        const all = bytesOf(file, known);
        for await (const part of extents ? withoutHoles(all, extents, file) : all) for (const full of gathered.take(part)) yield full;
      }
      for (const full of gathered.take(padding(storedSize(file.size, extents)))) yield full;
    }
  }
  for (const full of gathered.take(TAR_END)) yield full;
  yield gathered.rest();
}

function extentsOf({ bytes }: LayerFile, known: KnownBytes): readonly Extent[] | undefined {
  return bytes && 'tree' in bytes && !bytes.isOwn ? known.extents?.(bytes.path) : undefined;
}

/** @throws NacelleError `ERR_CHANGED` for bytes in a hole */
async function* withoutHoles(
  content: AsyncIterable<Buffer>,
  extents: readonly Extent[],
  { path }: LayerFile,
): AsyncGenerator<Buffer, void, undefined> {
  let at = 0;
  for await (const chunk of content) {
    for (const part of partsOf(chunk, at, extents)) {
      if (part === null) throw changed(path);
      yield part;
    }
    at += chunk.length;
  }
}

const NONE: readonly Buffer[] = [];

/** Small pieces as few large ones: each costs a turn of the thread pool where it is compressed. */
class Gathered {
  #chunk = Buffer.allocUnsafeSlow(CHUNK);
  #used = 0;

  /** @returns what is full now */
  take(part: Uint8Array): readonly Buffer[] {
    if (part.length < CHUNK - this.#used) {
      this.#chunk.set(part, this.#used);
      this.#used += part.length;
      return NONE;
    }
    const full: Buffer[] = [];
    for (let at = 0; at < part.length; ) {
      const count = Math.min(part.length - at, CHUNK - this.#used);
      this.#chunk.set(part.subarray(at, at + count), this.#used);
      at += count;
      this.#used += count;
      if (this.#used === CHUNK) full.push(this.rest());
    }
    return full;
  }

  /** What is not yet full: the end of a tar always is. */
  rest(): Buffer {
    const rest = this.#chunk.subarray(0, this.#used);
    this.#chunk = Buffer.allocUnsafeSlow(CHUNK);
    this.#used = 0;
    return rest;
  }
}

/** @throws NacelleError `ERR_CHANGED` */
function requireKnown(content: Uint8Array, { bytes }: LayerFile, known: KnownBytes): void {
  if (!bytes || !('tree' in bytes) || bytes.isOwn) return;
  const expected = known.get(bytes.path);
  if (expected !== undefined && hash('sha256', content) !== expected) throw changed(bytes.path);
}

/** A file's bytes, wherever they are. @throws NacelleError `ERR_CHANGED` */
export async function* bytesOf({ bytes, path, size }: LayerFile, known: KnownBytes = new Map()): AsyncGenerator<Buffer, void, undefined> {
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
  // one byte more than is expected tells whether there is more
  const read = (left: number): Promise<{ bytesRead: number; buffer: Buffer }> => {
    const length = Math.min(CHUNK, left + 1);
    return file.read(Buffer.allocUnsafe(length), 0, length);
  };
  let left = size;
  let ahead = read(left);
  try {
    for (;;) {
      const { bytesRead, buffer } = await ahead;
      if (bytesRead > left) throw changed(path);
      left -= bytesRead;
      const isOver = bytesRead === 0 || (left === 0 && bytesRead < buffer.length);
      // whoever gets these bytes works on them while the next are read
      if (!isOver) ahead = read(left);
      if (bytesRead > 0) yield buffer.subarray(0, bytesRead);
      if (isOver) break;
    }
  } finally {
    await Promise.allSettled([ahead]);
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

import type { FileHandle } from 'node:fs/promises';
import { Transform, type TransformCallback } from 'node:stream';
import * as zlib from 'node:zlib';
import { toError } from '../../errors.js';
import { monotonicMs, setImmediate } from '../../native/clock.js';
import { requireDependency } from '../../native/own-module.js';
import { isZstd, ZstdFrames } from './zstd-frames.js';

export type Compression = 'gzip' | 'zstd' | 'none';

/** How many bytes {@link compressionOf} looks at. */
export const MAGIC_BYTES = 4;

/** Bytes that the next stage is given at a time: this takes fewer calls than zlib's own 16 KiB, at which unpacking takes twice as long. */
const CHUNK = 256 * 1024;

/** How something is compressed, told by its first bytes: what a media type says is not always true. */
export function compressionOf(start: Buffer): Compression {
  if (start[0] === 0x1f && start[1] === 0x8b) return 'gzip';
  return isZstd(start) ? 'zstd' : 'none';
}

/** How a file is compressed. */
export async function compressionIn(file: FileHandle): Promise<Compression> {
  const start = Buffer.alloc(MAGIC_BYTES);
  const { bytesRead } = await file.read(start, 0, start.length, 0);
  return compressionOf(start.subarray(0, bytesRead));
}

/**
 * The stages that decompress, to be put between others by `pipeline`: bytes in, bytes out. Members of gzip and frames of zstd
 * may follow each other. What follows them is an error, save that after gzip zeros are passed over, as `gzip -d` does.
 *
 * zstd is Node's own, from 22.15 on. Before that it is the package fzstd: JavaScript, some times slower, and on the main
 * thread, though never for long without a pause.
 */
export async function decompression(kind: Compression): Promise<Transform[]> {
  if (kind === 'none') return [];
  if (kind === 'gzip') return [zlib.createGunzip({ chunkSize: CHUNK }), new Ahead()];
  if (hasZstd(zlib)) return [new ZstdPieces('frame'), zlib.createZstdDecompress({ chunkSize: CHUNK }), new Ahead()];
  const { Decompress } = requireDependency('fzstd');
  return [new ZstdPieces('block'), new SlowZstd((onData) => new Decompress(onData))];
}

/**
 * Lets the stage before it go on while the ones after it work. zlib inflates on another thread, but begins with the next chunk only when
 * all later stages have taken the last one: hashing, and writing to a pipe, which take this thread as long.
 */
class Ahead extends Transform {
  constructor() {
    super({ highWaterMark: 4 * CHUNK });
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    setImmediate(done, null, chunk);
  }
}

type WithZstd = typeof zlib & { createZstdDecompress(options: { chunkSize: number }): Transform };

function hasZstd(module: typeof zlib): module is WithZstd {
  return 'createZstdDecompress' in module;
}

/**
 * Passes the stream on as it is, but with at most one frame (or block) in a chunk: Node's decoder stops at the end of a frame when more of
 * the same chunk follows.
 */
class ZstdPieces extends Transform {
  readonly #frames: ZstdFrames;

  constructor(granularity: 'frame' | 'block') {
    // in object mode, chunks are never joined
    super({ readableObjectMode: true, readableHighWaterMark: 2 });
    this.#frames = new ZstdFrames(granularity);
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    try {
      for (const piece of this.#frames.split(chunk)) this.push(piece);
      done();
    } catch (error) {
      done(toError(error));
    }
  }

  override _flush(done: TransformCallback): void {
    try {
      this.#frames.end();
      done();
    } catch (error) {
      done(toError(error));
    }
  }
}

/** The decoder of fzstd. */
interface Decoder {
  push(chunk: Uint8Array, isLast?: boolean): void;
}

const LONGEST_TURN_MS = 10;

class SlowZstd extends Transform {
  readonly #decoder: Decoder;
  #turnEnds = 0;

  constructor(make: (onData: (data: Uint8Array) => void) => Decoder) {
    super();
    this.#decoder = make((data) => {
      if (data.length > 0) this.push(Buffer.from(data.buffer, data.byteOffset, data.length));
    });
  }

  override _transform(piece: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    this.#decode(piece, false, done);
  }

  override _flush(done: TransformCallback): void {
    this.#decode(new Uint8Array(), true, done);
  }

  #decode(piece: Uint8Array, isLast: boolean, done: TransformCallback): void {
    try {
      this.#decoder.push(piece, isLast);
    } catch (error) {
      done(toError(error));
      return;
    }
    if (monotonicMs() < this.#turnEnds) {
      done();
      return;
    }
    // Each block makes fzstd move the whole window, however little the block holds: so other work gets its turn in between.
    setImmediate(() => {
      this.#turnEnds = monotonicMs() + LONGEST_TURN_MS;
      done();
    });
  }
}

import type { FileHandle } from 'node:fs/promises';
import { Readable, type Transform } from 'node:stream';
import { toError } from '../../errors.js';
import { type Compression, compressionIn, MAGIC_BYTES } from '../formats/decompress.js';
import { Verifier } from '../formats/digest.js';
import type { Descriptor } from '../formats/image-documents.js';
import type { Arrival } from '../store/arrival.js';

/** A layer's blob, as it is read from its first byte on. */
export interface LayerBytes {
  readonly compression: Compression;
  /** The bytes, and what checks them where nobody else does: to be put before other stages by `pipeline`. */
  readonly stages: readonly [Readable, ...Transform[]];
  /** Ends the reading. The file stays open. */
  close(): Promise<void>;
}

/** A blob that comes into the store. */
export interface ArrivingBlob {
  readonly arrival: Arrival;
  /** Resolves when the blob is in the store, its bytes checked; rejects when it can't be had. */
  readonly whole: Promise<unknown>;
}

/** Told how many bytes of the blob were read. */
type OnBytes = (bytes: number) => void;

/** How many bytes are read at a time. */
const CHUNK = 256 * 1024;

/** The bytes of a file that is whole. They need not be what the descriptor says. */
export async function storedBytes(file: FileHandle, { digest, size }: Descriptor, onBytes: OnBytes): Promise<LayerBytes> {
  const compression = await compressionIn(file);
  const bytes = file.createReadStream({ start: 0, autoClose: false, highWaterMark: CHUNK });
  return { compression, stages: [bytes, new Verifier({ digest, size, what: 'layer' }, onBytes)], close: async () => void bytes.destroy() };
}

/** The bytes of a file that grows. They end when the blob is whole: who brings it has checked them then. */
export async function arrivingBytes(file: FileHandle, blob: ArrivingBlob, onBytes: OnBytes): Promise<LayerBytes> {
  await blob.arrival.reach(MAGIC_BYTES);
  const compression = await compressionIn(file);
  const bytes = new ArrivingBytes(file, blob, onBytes);
  return { compression, stages: [bytes], close: () => bytes.close() };
}

class ArrivingBytes extends Readable {
  readonly #file: FileHandle;
  readonly #blob: ArrivingBlob;
  readonly #onBytes: OnBytes;
  #at = 0;
  #reading: Promise<unknown> = Promise.resolve();

  constructor(file: FileHandle, blob: ArrivingBlob, onBytes: OnBytes) {
    super({ highWaterMark: CHUNK });
    this.#file = file;
    this.#blob = blob;
    this.#onBytes = onBytes;
  }

  override _read(): void {
    this.#next().then(
      (chunk) => {
        if (!this.destroyed) this.push(chunk);
      },
      (error: unknown) => void this.destroy(toError(error)),
    );
  }

  /** Ends the reading, and waits for what is being read. */
  async close(): Promise<void> {
    this.destroy();
    await this.#reading;
  }

  /** The next bytes, `null` after the last ones. */
  async #next(): Promise<Buffer | null> {
    const { arrival, whole } = this.#blob;
    const there = await arrival.reach(this.#at + CHUNK);
    if (this.destroyed) return null;
    if (there === this.#at) {
      await whole;
      this.#onBytes(this.#at);
      return null;
    }
    const reading = this.#file.read(Buffer.allocUnsafe(Math.min(CHUNK, there - this.#at)), 0, undefined, this.#at);
    this.#reading = reading.catch(() => undefined);
    const { bytesRead, buffer } = await reading;
    if (bytesRead === 0) throw new Error('the bytes so far were wrong');
    this.#at += bytesRead;
    // as long as bytes come, who brings them tells how many there are
    if (arrival.isOver) this.#onBytes(this.#at);
    return buffer.subarray(0, bytesRead);
  }
}

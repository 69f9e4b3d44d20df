import { buffer } from 'node:stream/consumers';
import type { LayerFile } from './landing.js';

/** So many files are read while one is written. */
const AHEAD = 8;
/** Those that are larger are read when it is their turn, piece by piece. */
const SMALL = 64 * 1024;

type Read = (file: LayerFile) => AsyncIterable<Buffer>;

/** Reads small files side by side, before it is their turn: each waits for the disk and the thread pool several times. */
export class ReadAhead {
  readonly #files: readonly LayerFile[];
  readonly #read: Read;
  readonly #begun = new Map<number, Promise<Buffer>>();
  #next = 0;

  constructor(files: readonly LayerFile[], read: Read) {
    this.#files = files;
    this.#read = read;
  }

  /** The bytes of the next file. */
  async *read(index: number): AsyncGenerator<Buffer, void, undefined> {
    for (; this.#next <= index + AHEAD; this.#next++) this.#begin(this.#next);
    const [begun, file] = [this.#begun.get(index), this.#files[index]];
    if (begun) {
      this.#begun.delete(index);
      yield await begun;
    } else if (file) yield* this.#read(file);
  }

  /** Waits for what was begun and is not wanted any more. */
  async close(): Promise<void> {
    await Promise.allSettled(this.#begun.values());
  }

  #begin(index: number): void {
    const file = this.#files[index];
    if (!file?.bytes || !('tree' in file.bytes) || file.size > SMALL) return;
    const reading = buffer(this.#read(file));
    // whoever takes the bytes, or closes, hears of a failure
    reading.catch(() => undefined);
    this.#begun.set(index, reading);
  }
}

import { StringDecoder } from 'node:string_decoder';
import type { Encoding, Output } from './types.js';

const BLOCK = 64 * 1024;

/**
 * Keeps what a program writes, up to a limit: exactly `limit` bytes are fine, the next one is too much.
 * Small chunks are put together, so that a program that writes byte by byte costs its bytes and no more.
 */
export class Collector {
  readonly #limit: number;
  readonly #onOverflow: () => void;
  #chunks: Uint8Array[] = [];
  #block: Uint8Array | null = null;
  #used = 0;
  #size = 0;
  #overflowed = false;

  /** @param onOverflow called once, at the first byte past the limit */
  constructor(limit: number, onOverflow: () => void) {
    this.#limit = limit;
    this.#onOverflow = onOverflow;
  }

  get overflowed(): boolean {
    return this.#overflowed;
  }

  push(chunk: Uint8Array): void {
    if (this.#overflowed) return;
    const room = this.#limit - this.#size;
    this.#keep(chunk.length > room ? chunk.subarray(0, room) : chunk);
    if (chunk.length <= room) return;
    this.#overflowed = true;
    this.#onOverflow();
  }

  #keep(chunk: Uint8Array): void {
    this.#size += chunk.length;
    if (chunk.length >= BLOCK / 4) {
      this.#flush();
      this.#chunks.push(chunk);
      return;
    }
    if (this.#used + chunk.length > BLOCK) this.#flush();
    this.#block ??= new Uint8Array(BLOCK);
    this.#block.set(chunk, this.#used);
    this.#used += chunk.length;
  }

  #flush(): void {
    if (this.#block && this.#used > 0) this.#chunks.push(this.#block.subarray(0, this.#used));
    this.#block = null;
    this.#used = 0;
  }

  bytes(): Buffer {
    this.#flush();
    const all = Buffer.concat(this.#chunks, this.#size);
    this.#chunks = [all];
    return all;
  }

  /** Decoded as a whole: a character may lie across chunks. One that the limit cut through is left out. */
  text(): string {
    const bytes = this.bytes();
    return this.#overflowed ? new StringDecoder('utf8').write(bytes) : bytes.toString('utf8');
  }
}

/** What was collected, as the encoding has it; nothing when there was no collector. */
export function outputOf<E extends Encoding>(collector: Collector | null, encoding: E): Output<E>;
export function outputOf(collector: Collector | null, encoding: Encoding): string | Uint8Array {
  if (encoding === 'buffer') return collector?.bytes() ?? new Uint8Array();
  return collector?.text() ?? '';
}

import { StringDecoder } from 'node:string_decoder';
import type { Encoding, Output } from '../options/process-types.js';

const BLOCK = 64 * 1024;

export interface CollectorOptions {
  /** Bytes. Exactly this many are allowed, one more is too much. `null`: any number. */
  readonly limit: number | null;
  /** Whether the bytes are kept, or only counted. */
  readonly keep: boolean;
}

/**
 * Keeps what a program writes, up to a limit. Small chunks are put together, so that a program that writes byte by byte costs its
 * bytes and no more.
 */
export class Collector {
  readonly #limit: number;
  readonly #keeps: boolean;
  readonly #onOverflow: () => void;
  readonly #chunks: Uint8Array[] = [];
  #block: Uint8Array | null = null;
  #used = 0;
  #size = 0;
  #overflowed = false;

  /** @param onOverflow called once, at the first byte past the limit */
  constructor({ limit, keep }: CollectorOptions, onOverflow: () => void) {
    this.#limit = limit ?? Number.POSITIVE_INFINITY;
    this.#keeps = keep;
    this.#onOverflow = onOverflow;
  }

  get overflowed(): boolean {
    return this.#overflowed;
  }

  /** @returns the part of the chunk that is within the limit */
  push(chunk: Uint8Array): Uint8Array {
    if (this.#overflowed) return chunk.subarray(0, 0);
    const room = this.#limit - this.#size;
    const within = chunk.length > room ? chunk.subarray(0, room) : chunk;
    this.#size += within.length;
    if (this.#keeps) this.#keep(within);
    if (chunk.length > room) {
      this.#overflowed = true;
      this.#onOverflow();
    }
    return within;
  }

  #keep(chunk: Uint8Array): void {
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

  /** What was kept until now, in pieces that are the collector's own: others copy them. */
  pieces(): readonly Uint8Array[] {
    this.#flush();
    return this.#chunks;
  }

  /** The same as a whole, which is the caller's. */
  bytes(): Buffer {
    return Buffer.concat(this.pieces());
  }

  /** The output is decoded as a whole, for a character may lie across chunks. A character that the limit cut through is left out. */
  text(): string {
    const bytes = this.bytes();
    return this.#overflowed ? new StringDecoder('utf8').write(bytes) : bytes.toString('utf8');
  }
}

/** What was collected, as text or bytes by the encoding; empty when there was no collector. */
export function outputOf<E extends Encoding>(collector: Collector | null, encoding: E): Output<E>;
export function outputOf(collector: Collector | null, encoding: Encoding): string | Uint8Array {
  if (encoding === 'buffer') return collector?.bytes() ?? new Uint8Array();
  return collector?.text() ?? '';
}

import { StringDecoder } from 'node:string_decoder';
import { now } from '../../native/clock.js';
import type { Encoding, Output } from '../options/process-types.js';

const BLOCK = 64 * 1024;
/** Bytes that come within so many ms have one time. */
const GRAIN = 10;

export interface CollectorOptions {
  /** Bytes. Exactly this many are allowed, one more is too much. `null`: any number. */
  readonly limit: number | null;
  /** Whether the bytes are kept, or only counted. */
  readonly keep: boolean;
}

/** A part of what was collected. */
export interface Piece {
  readonly data: Uint8Array;
  /** ms since the epoch. */
  readonly atMs: number;
}

/**
 * Keeps what a program writes, up to a limit. Small chunks are put together, so that a program that writes byte by byte costs its
 * bytes and no more.
 */
export class Collector {
  readonly #limit: number;
  readonly #keeps: boolean;
  readonly #onOverflow: () => void;
  readonly #chunks: Piece[] = [];
  #block: Uint8Array | null = null;
  /** The piece that is being filled: where in the block, and the time of its first byte. */
  #begun = 0;
  #used = 0;
  #begunMs = 0;
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
      this.#chunks.push({ data: chunk, atMs: now() });
      return;
    }
    if (this.#block === null || this.#used + chunk.length > BLOCK) {
      this.#flush();
      this.#block = new Uint8Array(BLOCK);
      [this.#begun, this.#used] = [0, 0];
    }
    const atMs = now();
    if (atMs - this.#begunMs >= GRAIN) this.#flush();
    if (this.#used === this.#begun) this.#begunMs = atMs;
    this.#block.set(chunk, this.#used);
    this.#used += chunk.length;
  }

  /** Ends the piece that is being filled; the rest of its block is for the next ones. */
  #flush(): void {
    if (this.#block && this.#used > this.#begun)
      this.#chunks.push({ data: this.#block.subarray(this.#begun, this.#used), atMs: this.#begunMs });
    this.#begun = this.#used;
  }

  /** What was kept until now, in pieces that are the collector's own: others copy them. */
  pieces(): readonly Uint8Array[] {
    return this.timedPieces().map(({ data }) => data);
  }

  /** The same, with the time at which the first byte of each piece came. */
  timedPieces(): readonly Piece[] {
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

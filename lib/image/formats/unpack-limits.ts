import { Transform, type TransformCallback } from 'node:stream';
import * as z from 'zod';
import { ImageError } from '../../errors.js';
import { type Size, sizeSchema } from '../../options/size.js';
import { DEFAULT_LIMITS } from './default-limits.js';

/**
 * Limits of each layer, so that neither a small file nor a server without end can fill the disk. They hold while its blob comes, which may
 * have no more bytes than `maxBytes` and what compression adds at worst, and while it is unpacked. A layer beyond one of them fails with
 * ImageError `ERR_IMAGE_LIMIT`, and nothing of it is kept. A layer that is in the store already is not looked at again.
 */
export interface UnpackLimits {
  /** Bytes of a layer without its compression. Default 64 GiB. */
  maxBytes?: Size | undefined;
  /** Entries, and folders that entries only imply. Default 5,000,000. */
  maxEntries?: number | undefined;
  /** Bytes of a path. Default and most: 4,095, as the kernel takes no more (PATH_MAX). */
  maxPathLength?: number | undefined;
  /** Names in a path. Default 512. */
  maxDepth?: number | undefined;
  /**
   * How many times larger than its compressed blob a layer may be, once it has more than 64 MiB; a compressed stream is compared with what
   * was read of it so far. Default 200.
   */
  maxRatio?: number | undefined;
}

const count = (fallback: number, most = Number.MAX_SAFE_INTEGER) => z.int().min(1).max(most).default(fallback);

export const unpackLimits = z
  .strictObject({
    maxBytes: sizeSchema(1).default(DEFAULT_LIMITS.maxBytes),
    maxEntries: count(DEFAULT_LIMITS.maxEntries),
    maxPathLength: count(DEFAULT_LIMITS.maxPathLength, 4095),
    maxDepth: count(DEFAULT_LIMITS.maxDepth),
    maxRatio: z.number().min(1).default(DEFAULT_LIMITS.maxRatio),
  })
  .prefault({});

export type ParsedLimits = z.output<typeof unpackLimits>;

/** Below this size the ratio is not checked: so little does no harm, and a few large files of zeros are no attack. */
const SMALL = 64 * 1024 ** 2;

/** Bytes that may come out of a blob of this size, and the option that sets this limit. */
export function mostBytes({ maxBytes, maxRatio }: ParsedLimits, size: number): { bytes: number; option: string } {
  const byRatio = Math.max(SMALL, Math.floor(size * maxRatio));
  return byRatio < maxBytes ? { bytes: byRatio, option: 'maxRatio' } : { bytes: maxBytes, option: 'maxBytes' };
}

/** Bytes that compression may add to data that it can't make smaller: an eighth, and these for headers. */
const OVERHEAD = 64 * 1024;

/** Bytes of a blob, however compressed, that can still have content within the limits. */
export function mostBlobBytes({ maxBytes }: Pick<ParsedLimits, 'maxBytes'>): number {
  return maxBytes + Math.ceil(maxBytes / 8) + OVERHEAD;
}

/** A function to be called with each count of bytes that have come. It throws once they are too many. */
export function blobCap(limits: ParsedLimits, what: string, digest?: string): (bytes: number) => void {
  const most = mostBlobBytes(limits);
  return (bytes) => {
    if (bytes > most)
      throw limitError(
        `${what} has more bytes than a layer of the ${limits.maxBytes} that maxBytes allows`,
        digest === undefined ? {} : { digest },
      );
  };
}

/** Passes bytes on, and fails once there are too many. */
export class Cap extends Transform {
  readonly #most: () => { readonly bytes: number; readonly option: string };
  readonly #about: { readonly what: string; readonly digest?: string };
  #bytes = 0;

  /** @param most called at each chunk. @param about for the error */
  constructor(most: () => { readonly bytes: number; readonly option: string }, about: { readonly what: string; readonly digest?: string }) {
    super();
    this.#most = most;
    this.#about = about;
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    const { bytes, option } = this.#most();
    const { what, ...options } = this.#about;
    this.#bytes += chunk.length;
    if (this.#bytes <= bytes) done(null, chunk);
    else done(limitError(`${what} has more than the ${bytes} bytes that ${option} allows`, options));
  }
}

export function limitError(message: string, options: { digest?: string; cause?: unknown } = {}): ImageError {
  return new ImageError(message, { ...options, code: 'ERR_IMAGE_LIMIT' });
}

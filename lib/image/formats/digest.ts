import { createHash } from 'node:crypto';
import { Transform, type TransformCallback } from 'node:stream';
import { ImageError, toError } from '../../errors.js';

/** 'sha256:…' or 'sha512:…', checked: safe as a part of a path. */
export interface Digest {
  readonly algorithm: 'sha256' | 'sha512';
  readonly hex: string;
}

const PATTERN = /^(?:(sha256):([0-9a-f]{64})|(sha512):([0-9a-f]{128}))$/;

/**
 * Reads a digest as the OCI image specification writes them (descriptor.md, "Digests").
 *
 * @throws ImageError for another algorithm, a wrong length or anything that isn't lower-case hexadecimal
 */
export function parseDigest(text: string): Digest {
  const match = PATTERN.exec(text);
  const algorithm = match?.[1] ?? match?.[3];
  const hex = match?.[2] ?? match?.[4];
  if (!hex || (algorithm !== 'sha256' && algorithm !== 'sha512')) {
    throw new ImageError(`${JSON.stringify(text.slice(0, 200))} is no sha256 or sha512 digest`, { digest: text });
  }
  return { algorithm, hex };
}

export function isDigest(text: string): boolean {
  return PATTERN.test(text);
}

export function digestOf(bytes: Uint8Array | string, algorithm: Digest['algorithm'] = 'sha256'): string {
  return `${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}`;
}

/** Passes bytes on, counts and hashes them, and fails at the end when they aren't what was promised. */
export class Verifier extends Transform {
  readonly #hash;
  readonly #expected: { readonly digest: string; readonly size?: number; readonly what: string };
  readonly #onBytes: ((bytes: number) => void) | undefined;
  #bytes = 0;

  constructor(expected: { readonly digest: string; readonly size?: number; readonly what: string }, onBytes?: (bytes: number) => void) {
    super();
    this.#expected = expected;
    this.#hash = createHash(parseDigest(expected.digest).algorithm);
    this.#onBytes = onBytes;
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    const { size, what, digest } = this.#expected;
    this.#bytes += chunk.length;
    if (size !== undefined && this.#bytes > size) {
      done(new ImageError(`${what} ${digest} is longer than the ${size} bytes that its descriptor says`, { digest }));
      return;
    }
    this.#hash.update(chunk);
    try {
      this.#onBytes?.(this.#bytes);
    } catch (error) {
      // the listener is the caller's, and may throw
      done(toError(error));
      return;
    }
    done(null, chunk);
  }

  override _flush(done: TransformCallback): void {
    const { digest, size, what } = this.#expected;
    const found = `${parseDigest(digest).algorithm}:${this.#hash.digest('hex')}`;
    if (size !== undefined && this.#bytes !== size) {
      done(new ImageError(`${what} ${digest} has ${this.#bytes} bytes where its descriptor says ${size}`, { digest }));
    } else if (found !== digest) {
      done(new ImageError(`${what} ${digest} is damaged or forged: its bytes have the digest ${found}`, { digest }));
    } else {
      done();
    }
  }
}

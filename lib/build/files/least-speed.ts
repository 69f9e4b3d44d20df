import { Transform, type TransformCallback } from 'node:stream';
import { NacelleError } from '../../errors.js';
import { clearTimeout, setTimeout } from '../../native/clock.js';

/** What comes more slowly than this, in two windows on end, is given up. */
export interface LeastSpeed {
  /** Bytes of a window. */
  readonly bytes: number;
  /** The length of a window, ms. */
  readonly window: number;
}

/**
 * Passes bytes on, and ends with NacelleError `ERR_TIMEOUT` when they come too slowly: a server that sends a byte now and then would else be waited
 * for as long as it likes. A single slow window is none, since this process may have stood still itself.
 */
export class SpeedGuard extends Transform {
  readonly #least: LeastSpeed;
  readonly #what: string;
  #timer: NodeJS.Timeout | null = null;
  #bytes = 0;
  #wasSlow = false;

  /** @param what for the error */
  constructor(what: string, least: LeastSpeed) {
    super();
    this.#what = what;
    this.#least = least;
    this.#watch();
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    this.#bytes += chunk.length;
    done(null, chunk);
  }

  override _flush(done: TransformCallback): void {
    this.#stop();
    done();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#stop();
    done(error);
  }

  #watch(): void {
    this.#timer = setTimeout(() => this.#look(), this.#least.window);
  }

  #look(): void {
    const isSlow = this.#bytes < this.#least.bytes;
    if (isSlow && this.#wasSlow) {
      const { bytes, window } = this.#least;
      this.destroy(new NacelleError(`${this.#what}: fewer than ${bytes} bytes came in ${window} ms, twice`, { code: 'ERR_TIMEOUT' }));
      return;
    }
    this.#wasSlow = isSlow;
    this.#bytes = 0;
    this.#watch();
  }

  #stop(): void {
    if (this.#timer) clearTimeout(this.#timer);
    this.#timer = null;
  }
}

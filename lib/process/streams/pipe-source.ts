import { Buffer } from 'node:buffer';
import { EventEmitter } from 'node:events';
import { constants } from 'node:os';
import type { WatchedDescriptor } from '../../native/binding.js';
import { watchDescriptor } from '../../native/load-addon.js';
import { nativeError } from '../../native/system-errors.js';
import type { OutletSource } from './outlet.js';

/** As much as a pipe holds. */
const READ_SIZE = 64 * 1024;
const { EAGAIN } = constants.errno;

/** The buffer of all sources, which one read at a time fills. */
class ReadBuffer {
  #bytes: Buffer | null = null;

  get bytes(): Buffer {
    this.#bytes ??= Buffer.allocUnsafeSlow(READ_SIZE);
    return this.#bytes;
  }

  /** What was read, as the listeners' own: a buffer that is nearly full is handed to them itself, and another one takes its place. */
  take(size: number): Buffer {
    const read = this.bytes.subarray(0, size);
    if (size < READ_SIZE / 2) return Buffer.from(read);
    this.#bytes = null;
    return read;
  }
}

const buffer = new ReadBuffer();

/**
 * Reads a program's output in the event loop. A socket of Node's has two buffers, a handle and two dozen listeners, none of which an outlet needs: to make
 * and end two of them took a fifth of the time that Node spends on a short run.
 *
 * Events are `data`, `end` and `error`. It flows from {@link resume} on.
 */
export class PipeSource extends EventEmitter implements OutletSource {
  readonly #pipe: WatchedDescriptor;
  #hasEnded = false;
  #isClosed = false;

  /** @param fd the addon's (`binding().pipe`), and closed here */
  constructor(fd: number) {
    super();
    this.#pipe = watchDescriptor(fd, () => this.#read());
    this.#pipe.ref();
  }

  get readableEnded(): boolean {
    return this.#hasEnded;
  }

  get destroyed(): boolean {
    return this.#isClosed;
  }

  resume(): void {
    if (!this.#isClosed) this.#pipe.watch(true, false);
  }

  pause(): void {
    if (!this.#isClosed) this.#pipe.watch(false, false);
  }

  #read(): void {
    const size = this.#pipe.read(buffer.bytes);
    if (size > 0) this.emit('data', buffer.take(size));
    else if (size === 0) this.#end();
    else if (size !== -EAGAIN) this.#fail(nativeError('read the output', 'read', -size));
  }

  #end(): void {
    this.#hasEnded = true;
    this.destroy();
    this.emit('end');
  }

  #fail(error: Error): void {
    this.destroy();
    this.emit('error', error);
  }

  destroy(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#pipe.close();
  }

  ref(): void {
    if (!this.#isClosed) this.#pipe.ref();
  }

  unref(): void {
    if (!this.#isClosed) this.#pipe.unref();
  }
}

import { Buffer } from 'node:buffer';
import { EventEmitter } from 'node:events';
import { constants } from 'node:os';
import type { NativeTerminal } from '../../native/binding.js';
import { watchDescriptor } from '../../native/load-addon.js';
import { nativeError } from '../../native/system-errors.js';
import type { OutletSource } from './outlet.js';

/** As much as a pipe holds. */
const READ_SIZE = 64 * 1024;
const { EAGAIN } = constants.errno;

/** Of all sources, filled by one read at a time. */
let buffer: Buffer | null = null;

/** What was read, as the listeners' own: they get a buffer that is nearly full itself, and another one takes its place. */
function taken(filled: Buffer, size: number): Buffer {
  if (size < READ_SIZE / 2) return Buffer.from(filled.subarray(0, size));
  buffer = null;
  return filled.subarray(0, size);
}

/**
 * Reads a program's output in the event loop. A socket of Node's has two buffers, a handle and two dozen listeners, none of which an outlet needs: to make
 * and end two of them took a fifth of the time that Node spends on a short run.
 *
 * Events are `data`, `end` and `error`. It flows from {@link resume} on.
 */
export class PipeSource extends EventEmitter implements OutletSource {
  readonly #pipe: NativeTerminal;
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
    buffer ??= Buffer.allocUnsafeSlow(READ_SIZE);
    const size = this.#pipe.read(buffer);
    if (size > 0) this.emit('data', taken(buffer, size));
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

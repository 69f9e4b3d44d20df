import type { Socket } from 'node:net';
import { PassThrough, type Readable, type Writable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { setImmediate } from '../native/clock.js';
import { Collector } from './collect.js';
import { ignoreErrors } from './ignore-errors.js';

export interface OutletHooks {
  onOverflow(): void;
  onError(error: Error): void;
}

/** More than a pipe can hold: what comes after that was written from outside, after the end of the tree. */
const PIPE_MOST = 16 * 1024 ** 2;
/** Turns of the event loop in which nothing came: a pipe that holds something is read in each. */
const QUIET_TURNS = 2;

/**
 * Our end of the pipe that a program writes to. Either the caller takes the stream, or it is collected;
 * beside that it goes to the sinks, as fast as the slowest of them takes it. The sinks are the owner's to end.
 */
export class Outlet {
  readonly #source: Socket;
  /** What the caller would see: the pipe itself, or a copy of it where there are sinks too. */
  #visible: Readable | null;
  /** A copy that {@link #feed} writes to. */
  readonly #copy: PassThrough | null;
  readonly #sinks: Writable[] = [];
  readonly #full = new Set<Writable>();
  #leaving: (() => unknown)[] = [];
  #collector: Collector | null = null;
  #taken = false;
  #begun = false;
  #settling = false;

  /** @param options visible: the caller may have the stream; shared: sinks will be added */
  constructor(source: Socket, options: { visible: boolean; shared: boolean }) {
    this.#source = source;
    this.#copy = options.visible && options.shared ? new PassThrough() : null;
    this.#visible = options.visible ? (this.#copy ?? source) : null;
    if (this.#copy) this.#sinks.push(this.#copy);
  }

  get collector(): Collector | null {
    return this.#collector;
  }

  add(sink: Writable): void {
    this.#sinks.push(sink);
  }

  /** Gives the stream to the caller, with all that was collected until now. `null` where it goes elsewhere. */
  take(): Readable | null {
    const stream = this.#visible;
    if (!stream || this.#taken || this.#settling || stream.readableEnded) return stream;
    this.#taken = true;
    const collector = this.#collector;
    if (!collector) return stream;
    const late = new PassThrough();
    late.write(collector.bytes());
    stream.off('data', this.#collect);
    stream.pipe(late);
    // a caller who has seen enough: the program doesn't wait for him
    late.once('close', () => stream.resume());
    stream.once('close', () => {
      if (!late.writableEnded) late.destroy();
    });
    this.#collector = null;
    this.#visible = late;
    return late;
  }

  readonly #collect = (chunk: Uint8Array): void => this.#collector?.push(chunk);

  /** The program starts: what nobody took is collected. */
  begin(maxBuffer: number, hooks: OutletHooks): void {
    this.#begun = true;
    this.#source.on('error', hooks.onError);
    if (this.#sinks.length > 0) this.#feed(hooks);
    if (!this.#visible || this.#taken) return;
    this.#collector = new Collector(maxBuffer, hooks.onOverflow);
    this.#visible.on('data', this.#collect);
  }

  /** Every sink gets every chunk; while one is full, the pipe is not read and the program waits. */
  #feed(hooks: OutletHooks): void {
    const goOn = (sink: Writable): void => {
      this.#full.delete(sink);
      if (this.#full.size === 0) this.#source.resume();
    };
    for (const sink of this.#sinks) {
      const listeners = { drain: () => goOn(sink), close: () => goOn(sink), error: hooks.onError };
      for (const [event, listener] of Object.entries(listeners)) {
        sink.on(event, listener);
        this.#leaving.push(() => sink.off(event, listener));
      }
      this.#leaving.push(() => {
        // it may still be writing
        if (sink.writableLength > 0 || (sink.writableEnded && !sink.writableFinished)) ignoreErrors(sink);
      });
    }
    this.#source.on('data', (chunk: Uint8Array) => {
      for (const sink of this.#sinks) {
        if (sink.writable && !sink.write(chunk)) this.#full.add(sink);
      }
      if (this.#full.size > 0 && !this.#settling) this.#source.pause();
    });
    this.#source.once('end', () => this.#copy?.end());
  }

  /**
   * The whole tree is gone: reads what is left in the pipe, then ends, though somebody outside may still
   * hold its other end. A stream that the caller took, and which goes nowhere else, is the caller's to read.
   */
  async settle(): Promise<void> {
    if (!this.#begun) this.#copy?.end();
    if (!this.#begun || (this.#taken && this.#sinks.length === 0)) return;
    this.#settling = true;
    await drained(this.#source);
    this.#source.destroy();
    this.#copy?.end();
    if (this.#copy && this.#collector) await finished(this.#copy, { writable: false });
  }

  ref(): void {
    this.#source.ref();
  }

  unref(): void {
    this.#source.unref();
  }

  /** The caller has the stream, and reads it to its end in his own time. */
  get isCallers(): boolean {
    return this.#taken;
  }

  /** Takes our listeners from the sinks: Node's own outputs serve all programs. */
  leave(): void {
    for (const leave of this.#leaving.splice(0)) leave();
  }

  /** Closes our end, whatever is in it. */
  close(): void {
    this.#source.destroy();
    this.#copy?.destroy();
  }
}

/** Resolves at the end of the stream, or when turns of the event loop have brought nothing more. */
function drained(source: Readable): Promise<void> {
  return new Promise((resolve) => {
    let quiet = 0;
    let bytes = 0;
    const count = (chunk: Uint8Array): void => {
      quiet = 0;
      bytes += chunk.length;
    };
    const turn = (): void => {
      if (!source.readableEnded && !source.destroyed && quiet++ < QUIET_TURNS && bytes < PIPE_MOST) {
        setImmediate(turn);
        return;
      }
      source.off('data', count);
      resolve();
    };
    source.on('data', count);
    source.resume();
    setImmediate(turn);
  });
}

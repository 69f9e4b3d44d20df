import type { Socket } from 'node:net';
import { Readable, type Writable } from 'node:stream';
import { setImmediate } from '../../native/clock.js';
import type { Collector } from './collect.js';
import { ignoreErrors } from './ignore-errors.js';

export interface OutletHooks {
  onError(error: Error): void;
}

/** Bytes, more than a pipe can hold: what comes after so many was written by a process outside the tree, after the end of the tree. */
const PIPE_MOST = 16 * 1024 ** 2;
/** After so many turns of the event loop without data the pipe is empty: a pipe that holds something is read in each turn. */
const QUIET_TURNS = 2;

/**
 * Our end of the pipe that a program writes to:
 *
 * ```
 * program ──▶ pipe ──▶ Outlet ─┬─▶ collector   for the result
 *                              ├─▶ copies      streams for the caller, from the beginning
 *                              └─▶ sinks       where else the options send it
 * ```
 *
 * Each gets all of the output, as fast as the slowest takes it: while one is full, the pipe is not read, and the program waits. A copy
 * counts from its first read on, so a stream that nobody reads holds nothing up. The owner of the sinks ends them.
 */
export class Outlet {
  readonly #source: Socket;
  /** `null`: the caller sees nothing of this output. */
  readonly #collector: Collector | null;
  readonly #copies = new Set<LiveCopy>();
  readonly #sinks: Writable[] = [];
  /** The sinks and copies that can't take more now. */
  readonly #full = new Set<Writable | LiveCopy>();
  #leaving: (() => unknown)[] = [];
  #begun = false;
  #settling = false;
  #ended = false;
  #closed = false;

  constructor(source: Socket, collector: Collector | null) {
    this.#source = source;
    this.#collector = collector;
  }

  get collector(): Collector | null {
    return this.#collector;
  }

  /** A stream of all the output that is collected, also of what came before the stream's first read. `null` where nothing is collected. */
  copy(): Readable | null {
    const collector = this.#collector;
    if (!collector) return null;
    const copy = new LiveCopy({
      begin: () => {
        this.#offer(copy, collector.bytes());
        if (this.#ended) copy.give(null);
      },
      goOn: () => this.#goOn(copy),
    });
    if (this.#closed) copy.destroy();
    else this.#copies.add(copy);
    return copy;
  }

  add(sink: Writable): void {
    this.#sinks.push(sink);
  }

  /** To be called when the program starts. */
  begin(hooks: OutletHooks): void {
    this.#begun = true;
    this.#source.on('error', hooks.onError);
    for (const sink of this.#sinks) this.#listen(sink, hooks);
    this.#source.on('data', (chunk: Uint8Array) => this.#give(chunk));
    this.#source.once('end', () => this.#end());
  }

  #listen(sink: Writable, { onError }: OutletHooks): void {
    const goOn = (): void => this.#goOn(sink);
    for (const [event, listener] of [
      ['drain', goOn],
      ['close', goOn],
      ['error', onError],
    ] as const) {
      sink.on(event, listener);
      this.#leaving.push(() => sink.off(event, listener));
    }
    this.#leaving.push(() => {
      // the sink may still be writing, and fail at that
      if (sink.writableLength > 0 || (sink.writableEnded && !sink.writableFinished)) ignoreErrors(sink);
    });
  }

  #give(chunk: Uint8Array): void {
    const kept = this.#collector?.push(chunk);
    if (kept) for (const copy of this.#copies) this.#offer(copy, kept);
    for (const sink of this.#sinks) if (sink.writable && !sink.write(chunk)) this.#wait(sink);
  }

  #offer(copy: LiveCopy, chunk: Uint8Array): void {
    if (chunk.length > 0 && !copy.give(chunk)) this.#wait(copy);
  }

  #wait(taker: Writable | LiveCopy): void {
    this.#full.add(taker);
    if (!this.#settling) this.#source.pause();
  }

  #goOn(taker: Writable | LiveCopy): void {
    if (this.#full.delete(taker) && this.#full.size === 0) this.#source.resume();
  }

  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    for (const copy of this.#copies) copy.give(null);
  }

  /**
   * To be called when the whole tree is gone: reads what is left in the pipe, then ends, even when a process outside the tree still holds
   * the other end.
   */
  async settle(): Promise<void> {
    this.#settling = true;
    if (this.#begun) await drained(this.#source);
    this.#source.destroy();
    this.#end();
  }

  ref(): void {
    this.#source.ref();
  }

  unref(): void {
    this.#source.unref();
  }

  /** Removes our listeners from the sinks, for Node's own outputs serve all programs. */
  leave(): void {
    for (const leave of this.#leaving.splice(0)) leave();
  }

  /** Closes our end, whatever is left in the pipe. The caller can still read copies that have come to their end. */
  close(): void {
    this.#source.destroy();
    this.#closed = !this.#ended;
    if (this.#closed) for (const copy of this.#copies) copy.destroy();
    this.#copies.clear();
  }
}

/** The stream that the caller reads. It is given nothing before its first read, and nothing after the caller has destroyed it. */
class LiveCopy extends Readable {
  readonly #hooks: { begin(): void; goOn(): void };
  #isRead = false;

  /**
   * @param hooks `begin` is called at the first read, and gives what there is already; `goOn` when the stream takes more again, or the
   * caller has left it
   */
  constructor(hooks: { begin(): void; goOn(): void }) {
    super();
    this.#hooks = hooks;
  }

  /** @returns whether the stream takes more now */
  give(chunk: Uint8Array | null): boolean {
    if (!this.#isRead || this.destroyed) return true;
    return this.push(chunk) || chunk === null;
  }

  override _read(): void {
    if (this.#isRead) {
      this.#hooks.goOn();
      return;
    }
    this.#isRead = true;
    this.#hooks.begin();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#hooks.goOn();
    done(error);
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

import { Readable, type Writable } from 'node:stream';
import { toError } from '../../errors.js';
import { nextTick, setImmediate } from '../../native/clock.js';
import type { Collector } from './collect.js';
import { ignoreErrors } from './ignore-errors.js';

export interface OutletHooks {
  onError(error: Error): void;
}

/** What an outlet reads from: a pipe, or a terminal. `ref` and `unref` say whether it keeps the event loop alive. */
export interface OutletSource extends Pick<Readable, 'readableEnded' | 'destroyed'> {
  on(event: 'data', listener: (chunk: Uint8Array) => void): unknown;
  on(event: 'error', listener: (error: Error) => void): unknown;
  once(event: 'end', listener: () => void): unknown;
  off(event: 'data', listener: (chunk: Uint8Array) => void): unknown;
  resume(): unknown;
  pause(): unknown;
  destroy(): unknown;
  ref(): unknown;
  unref(): unknown;
}

/** What an outlet will read from. `open` is called when the program starts, and closes all when it throws; `close` when none starts. */
export interface UnopenedSource {
  open(): OutletSource;
  close(): void;
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
  /** `null` when it was opened or closed. A stream is made of it late: while the program starts, there is time for that. */
  #unopened: UnopenedSource | null;
  #source: OutletSource | null = null;
  /** `null`: the caller sees nothing of this output. */
  readonly #collector: Collector | null;
  readonly #copies = new Set<LiveCopy>();
  readonly #sinks: Writable[] = [];
  /** The sinks and copies that can't take more now. */
  /** The sinks get what is within the collector's limit, and nothing past that. */
  readonly #boundsSinks: boolean;
  readonly #full = new Set<Writable | LiveCopy>();
  #leaving: (() => unknown)[] = [];
  #isRef = true;
  #settling = false;
  #ended = false;
  #closed = false;

  constructor(source: UnopenedSource, collector: Collector | null, { boundsSinks = false }: { boundsSinks?: boolean } = {}) {
    this.#boundsSinks = boundsSinks;
    this.#unopened = source;
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
        for (const piece of collector.pieces()) this.#offer(copy, piece);
        if (this.#ended) copy.end();
      },
      goOn: () => this.#goOn(copy),
      left: () => {
        this.#copies.delete(copy);
        this.#goOn(copy);
      },
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
    const source = this.#open(hooks);
    if (source === null) return;
    source.on('error', hooks.onError);
    for (const sink of this.#sinks) this.#listen(sink, hooks);
    source.on('data', (chunk: Uint8Array) => this.#give(chunk));
    source.once('end', () => this.end());
    source.resume();
  }

  /** `null` after the end, and where no stream can be made. */
  #open({ onError }: OutletHooks): OutletSource | null {
    const unopened = this.#unopened;
    if (unopened === null) return null;
    this.#unopened = null;
    try {
      this.#source = unopened.open();
      if (!this.#isRef) this.#source.unref();
    } catch (error) {
      onError(toError(error));
    }
    return this.#source;
  }

  #destroy(): void {
    this.#unopened?.close();
    this.#unopened = null;
    this.#source?.destroy();
  }

  #listen(sink: Writable, { onError }: OutletHooks): void {
    const goOn = (): void => this.#goOn(sink);
    for (const [event, listener] of [
      ['drain', goOn],
      // a sink that the caller ends, or destroys, takes no more and has no 'drain'
      ['finish', goOn],
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

  /** Whoever takes a chunk may change it, so the collector's is shared with nobody. */
  #give(chunk: Uint8Array): void {
    const kept = this.#collector?.push(chunk);
    const given = (this.#boundsSinks ? kept : null) ?? chunk;
    for (const sink of this.#sinks) {
      if (given.length > 0 && sink.writable && !sink.write(kept ? Buffer.from(given) : given)) this.#wait(sink);
    }
    if (kept) for (const copy of this.#copies) this.#offer(copy, kept);
  }

  #offer(copy: LiveCopy, piece: Uint8Array): void {
    if (piece.length > 0 && !copy.give(piece)) this.#wait(copy);
  }

  #wait(taker: Writable | LiveCopy): void {
    this.#full.add(taker);
    if (!this.#settling) this.#source?.pause();
  }

  #goOn(taker: Writable | LiveCopy): void {
    if (this.#full.delete(taker) && this.#full.size === 0) this.#source?.resume();
  }

  /** Nothing more will come: the copies end when what there is was read. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    for (const copy of this.#copies) copy.end();
  }

  /**
   * To be called when the whole tree is gone: reads what is left in the pipe, then ends, even when a process outside the tree still holds
   * the other end.
   */
  async settle(): Promise<void> {
    this.#settling = true;
    if (this.#source) await drained(this.#source);
    this.#destroy();
    this.end();
  }

  ref(): void {
    this.#isRef = true;
    this.#source?.ref();
  }

  unref(): void {
    this.#isRef = false;
    this.#source?.unref();
  }

  /** Removes our listeners from the sinks, for Node's own outputs serve all programs. */
  leave(): void {
    for (const leave of this.#leaving.splice(0)) leave();
  }

  /** Closes our end, whatever is left in the pipe. The caller can still read copies that have come to their end. */
  close(): void {
    this.#destroy();
    this.#closed = !this.#ended;
    if (this.#closed) for (const copy of this.#copies) copy.destroy();
    this.#copies.clear();
  }
}

interface CopyHooks {
  /** The first read: what there is already is to be given. */
  begin(): void;
  /** The stream takes more again. */
  goOn(): void;
  /** The caller has destroyed the stream. */
  left(): void;
}

/** How many pieces may wait for a reader: the one at hand, and the next. */
const MOST_WAITING = 2;

/**
 * The stream that the caller reads. It is given nothing before its first read, and nothing after the caller has destroyed it. Each piece is
 * handed over on a stack of its own, so that a listener that throws takes nothing from others.
 */
class LiveCopy extends Readable {
  readonly #hooks: CopyHooks;
  #waiting: Uint8Array[] = [];
  #isRead = false;
  #isWanted = false;
  #isScheduled = false;
  #isOver = false;

  constructor(hooks: CopyHooks) {
    super();
    this.#hooks = hooks;
  }

  /** @returns whether the stream takes more now */
  give(piece: Uint8Array): boolean {
    if (!this.#isRead || this.destroyed) return true;
    this.#waiting.push(piece);
    this.#schedule();
    return this.#waiting.length < MOST_WAITING;
  }

  end(): void {
    this.#isOver = true;
    this.#schedule();
  }

  override _read(): void {
    this.#isWanted = true;
    if (!this.#isRead) {
      this.#isRead = true;
      this.#hooks.begin();
    }
    this.#schedule();
  }

  #schedule(): void {
    if (this.#isScheduled || !this.#isWanted || (this.#waiting.length === 0 && !this.#isOver)) return;
    this.#isScheduled = true;
    nextTick(() => {
      this.#isScheduled = false;
      this.#handOver();
    });
  }

  #handOver(): void {
    if (this.destroyed) return;
    const piece = this.#waiting.shift();
    if (piece === undefined) {
      this.push(null);
      return;
    }
    if (this.#waiting.length < MOST_WAITING) this.#hooks.goOn();
    this.#isWanted = false;
    this.push(Buffer.from(piece));
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#waiting = [];
    this.#hooks.left();
    done(error);
  }
}

/** Resolves at the end of the stream, or when turns of the event loop have brought nothing more. */
function drained(source: OutletSource): Promise<void> {
  // the program's end closes the pipe some moments before anybody tells of it
  if (source.readableEnded || source.destroyed) return Promise.resolve();
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

import { Readable, type Writable } from 'node:stream';
import type { Streams } from '../../process/streams/child-end.js';
import { Collector } from '../../process/streams/collect.js';
import { ignoreErrors } from '../../process/streams/ignore-errors.js';
import type { Collected, ProgramStreams } from '../../process/streams/program-streams.js';
import type { Terminal } from '../../process/streams/terminal.js';
import { type LogPosition, readSegments } from './log-segments.js';

export interface LogStreamsOptions {
  /** The folder of the segments; `null` for a program whose output goes nowhere. */
  readonly folder: string | null;
  /** Where the live streams begin. */
  readonly from: LogPosition;
  /** Settles when the program's tree is gone. */
  readonly ended: Promise<unknown>;
  /** The write end of the program's stdin, opened when it is asked for, or what is typed at its terminal. */
  readonly stdin: Writable | null;
  /** Our side of the program's terminal, which is closed at the end; `null` where it has none. Its output is read from the log too. */
  readonly terminal: Terminal | null;
  /** Whether the result has the output. */
  readonly keep: boolean;
}

/** The standard streams of a detached program, as any process sees them: its output is read from its log. */
export class LogStreams implements ProgramStreams {
  readonly #options: LogStreamsOptions;
  readonly #live: { stdout?: Readable; stderr?: Readable } = {};

  constructor(options: LogStreamsOptions) {
    this.#options = options;
    if (options.stdin) ignoreErrors(options.stdin);
    const close = (): void => options.terminal?.close();
    options.ended.then(close, close);
  }

  get terminal(): Terminal | null {
    return this.#options.terminal;
  }

  get stdin(): Writable | null {
    return this.#options.stdin;
  }

  /** What the program writes from now on. */
  get stdout(): Readable | null {
    return this.#stream('stdout');
  }

  get stderr(): Readable | null {
    // a terminal is one stream
    return this.terminal === null ? this.#stream('stderr') : null;
  }

  #stream(name: 'stdout' | 'stderr'): Readable | null {
    if (this.#options.folder === null) return null;
    this.#live[name] ??= this.#follow([name]);
    return this.#live[name];
  }

  #follow(names: readonly string[]): Readable {
    const { folder, from, ended } = this.#options;
    const pieces = async function* (): AsyncGenerator<Buffer, void, undefined> {
      if (folder === null) return;
      for await (const { stream, data } of readSegments(folder, { from, until: ended })) if (names.includes(stream)) yield data;
    };
    return Readable.from(pieces(), { objectMode: false });
  }

  copies(from: 'stdout' | 'stderr' | 'all'): Readable[] {
    const isNothing = this.#options.folder === null || (from === 'stderr' && this.terminal !== null);
    return isNothing ? [] : [this.#follow(from === 'all' ? ['stdout', 'stderr'] : [from])];
  }

  /** Nothing is collected here: the log has it. */
  readonly collected: Collected = { stdout: null, stderr: null };

  async open(): Promise<Streams> {
    return { ends: [{ type: 'null' }, { type: 'null' }, { type: 'null' }], copies: [] };
  }

  sent(): void {
    // Node has no end of the program's pipes
  }

  begin(): void {
    // the shim's log reads them
  }

  /** Reads what the log keeps. */
  async settle(): Promise<Collected> {
    this.#options.stdin?.destroy();
    const { folder, keep } = this.#options;
    if (folder === null || !keep) return { stdout: null, stderr: null };
    const collected = { stdout: collector(), stderr: collector() };
    for await (const { stream, data } of readSegments(folder)) collected[stream].push(data);
    return collected;
  }

  end(): void {
    // the streams end with the log
  }

  ref(): void {
    // reading a log keeps no event loop alive: whoever waits for the container does
  }

  unref(): void {
    // as ref
  }

  close(): void {
    this.#options.stdin?.destroy();
    this.terminal?.close();
  }
}

function collector(): Collector {
  return new Collector({ limit: null, keep: true }, () => undefined);
}

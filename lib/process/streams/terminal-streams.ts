import { createReadStream } from 'node:fs';
import type { Readable, Writable } from 'node:stream';
import type { ParsedProcess, StdioItem } from '../options/process-options.js';
import type { TerminalSize } from '../options/process-types.js';
import { callersStreams, feed, isStream } from './callers-streams.js';
import type { ChildEnds, Streams } from './child-end.js';
import { Collector } from './collect.js';
import { inputFile } from './descriptors.js';
import { holdSource, letSourceGo } from './held-source.js';
import { ignoreErrors } from './ignore-errors.js';
import { Outlet } from './outlet.js';
import { OutputFiles } from './output-files.js';
import type { Collected, ProgramStreams, StreamHooks } from './program-streams.js';
import { Sinks } from './sinks.js';
import { streamFailed } from './stream-failed.js';
import { Terminal } from './terminal.js';

type Options = Pick<ParsedProcess, 'stdin' | 'stdout' | 'stderr' | 'input' | 'maxBuffer' | 'buffer' | 'pipesOnly'>;

const NOTHING: ChildEnds = [{ type: 'null' }, { type: 'null' }, { type: 'null' }];

/** Standard streams that are one terminal: stdout has all of its output, and Node copies it to the places that the options name. */
export class TerminalStreams implements ProgramStreams {
  readonly stdout: Readable | null;
  readonly stderr = null;
  readonly terminal: Terminal;
  readonly #options: Options;
  readonly #size: TerminalSize;
  readonly #outlet: Outlet;
  /** The caller sees the output here. */
  readonly #isVisible: boolean;
  readonly #sinks: Sinks;
  #source: ParsedProcess['input'];
  #hooks: StreamHooks | null = null;
  /** What a stream of the caller's failed with before the program ran. */
  #failure: Error | null = null;
  readonly #onSourceClose = (): void => void this.terminal.input.end();
  readonly #onFailure = (error: Error): void => {
    if (this.#hooks) this.#hooks.onError(error);
    else this.#failure ??= error;
  };

  constructor(options: Options, size: TerminalSize, terminal = new Terminal()) {
    this.#options = options;
    this.#size = size;
    this.terminal = terminal;
    this.#source = options.input;
    this.#sinks = new Sinks(new OutputFiles(options.stdout, []), options.pipesOnly);
    const { maxBuffer, buffer, pipesOnly } = options;
    const isVisible = options.stdout.some(({ type }) => type === 'pipe');
    const limits = { limit: maxBuffer, keep: buffer && isVisible };
    const collector = isVisible || pipesOnly ? new Collector(limits, () => this.#hooks?.onOverflow('stdout')) : null;
    const source = { open: () => terminal.output, close: () => void terminal.output.destroy() };
    this.#outlet = new Outlet(source, collector, { boundsSinks: pipesOnly });
    this.#isVisible = isVisible;
    this.stdout = isVisible ? this.#outlet.copy() : null;
    // errors are heard from now on, for an image may be pulled before the program runs
    for (const stream of callersStreams(options)) stream.on('error', this.#onFailure);
    holdSource(this.#source);
  }

  get stdin(): Writable | null {
    return this.#options.stdin[0]?.type === 'pipe' && this.#options.input === null ? this.terminal.input : null;
  }

  copies(from: 'stdout' | 'stderr' | 'all'): Readable[] {
    const copy = from === 'stderr' || !this.#isVisible ? null : this.#outlet.copy();
    return copy === null ? [] : [copy];
  }

  /** @throws as {@link Sinks.open}; SyscallError for a file to read from; what a stream of the caller's failed with until now */
  async open(): Promise<Streams> {
    try {
      for (const item of this.#options.stdout) {
        const sink = await this.#sinks.open(item, 'stdout');
        if (sink) this.#outlet.add(sink);
      }
      const [item] = this.#options.stdin;
      if (item) this.#source ??= await sourceOf(item);
      if (this.#failure) throw streamFailed(this.#failure);
      return { ends: NOTHING, terminal: this.#size, copies: [] };
    } catch (error) {
      this.close();
      throw error;
    }
  }

  sent(): void {
    // the program's side of the terminal was never here
  }

  begin(hooks: StreamHooks): void {
    if (this.#hooks) return;
    this.#hooks = hooks;
    this.#outlet.begin(hooks);
    if (this.#failure) hooks.onError(this.#failure);
    letSourceGo(this.#source);
    if (this.#source !== null) feed(this.terminal.input, this.#source, this.#onSourceClose);
  }

  async settle(): Promise<Collected> {
    this.terminal.input.destroy();
    this.terminal.output.drain();
    await this.#outlet.settle();
    await this.#sinks.finish();
    return this.collected;
  }

  get collected(): Collected {
    return { stdout: this.#outlet.collector, stderr: null };
  }

  end(): void {
    this.#outlet.end();
  }

  ref(): void {
    this.#outlet.ref();
  }

  unref(): void {
    this.#outlet.unref();
  }

  close(): void {
    this.#outlet.close();
    this.#sinks.close();
    this.terminal.close();
    const { input } = this.#options;
    for (const stream of callersStreams(this.#options)) {
      stream.off('error', this.#onFailure);
      // a stream that is destroyed, or can't be opened, may still fail later
      if (stream === input || !this.#hooks) ignoreErrors(stream);
    }
    if (isStream(this.#source)) this.#source.off('close', this.#onSourceClose);
    // nobody will read the caller's input any more; a stream given as stdin stays the caller's own
    letSourceGo(this.#source);
    if (isStream(input)) input.destroy?.();
    this.#outlet.leave();
  }
}

/** What is typed when nobody writes to the terminal: `null` where nothing is. @throws as {@link inputFile} */
async function sourceOf(item: StdioItem): Promise<ParsedProcess['input']> {
  switch (item.type) {
    case 'inherit':
      return process.stdin;
    case 'source':
      return item.stream;
    case 'file':
      return (await inputFile(item.file, 'stdin')) === 'null' ? '' : createReadStream(item.file);
    default:
      return null;
  }
}

import { closeSync } from 'node:fs';
import { Socket } from 'node:net';
import { resolve } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import type { ParsedProcess, StdioItem } from '../options/process-options.js';
import { callersStreams, feed, isStream, sourceOf } from './callers-streams.js';
import type { ChildEnd, Copy, Streams } from './child-end.js';
import { Collector } from './collect.js';
import { streamOfCopy } from './copied-descriptor.js';
import { checkOpen, directDescriptor, inputFile, kindOf, openInput, untilOpen } from './descriptors.js';
import { holdSource, letSourceGo } from './held-source.js';
import { ignoreErrors } from './ignore-errors.js';
import { Outlet, type OutletSource } from './outlet.js';
import { OutputFiles } from './output-files.js';
import type { Collected, ProgramStreams, StreamHooks } from './program-streams.js';
import { Sinks } from './sinks.js';
import { streamFailed } from './stream-failed.js';

/** Makes a pipe, close-on-exec: [read end, write end]. Throws when it can't. */
export type MakePipe = () => readonly [number, number];

/** Makes a stream of our end of a pipe. The end is closed with the stream, and at once when no stream can be made. */
type MakeStream = (fd: number, options: { readable: boolean; writable: boolean }) => Socket;

/** Makes what an outlet reads from of our end of a pipe, as {@link MakeStream} does. */
type MakeSource = (fd: number) => OutletSource;

type Options = Pick<ParsedProcess, 'stdin' | 'stdout' | 'stderr' | 'input' | 'maxBuffer' | 'buffer' | 'pipesOnly'>;
type Stream = 0 | 1 | 2;

/** Something to be closed. */
interface Owned {
  close(): void;
}

const NAMES = ['stdin', 'stdout', 'stderr'] as const;

/**
 * Standard streams as pipes, files and descriptors. The constructor makes the pipes that the caller may want at once; `open` opens the
 * rest.
 */
export class Stdio implements ProgramStreams {
  readonly #options: Options;
  readonly #pipe: MakePipe;
  readonly #closeEnd: (fd: number) => void;
  readonly #streamOf: MakeStream;
  readonly #readerOf: MakeSource;
  /** What the program writes, for the caller: see {@link Outlet}. `null` where it goes elsewhere. */
  readonly stdout: Readable | null;
  readonly stderr: Readable | null;
  readonly terminal = null;
  #stdin: Socket | null = null;
  /** What Node writes to it. */
  #source: ParsedProcess['input'];
  readonly #outlets: [stdout: Outlet | null, stderr: Outlet | null] = [null, null];
  /** The program's ends of our pipes. */
  readonly #pipeEnds = new Map<Stream, number>();
  /** Ends of pipes for other processes that are still open here. */
  readonly #openEnds: number[] = [];
  /** Descriptors that were opened for the program alone. */
  readonly #childFds: number[] = [];
  /** Files that both outputs may go to: opened once, so that neither writes over the other. */
  readonly #files = new Map<string, number>();
  readonly #outputFiles: OutputFiles;
  /** Something confines the program: it gets no descriptor of a file, which would give more than the stream's use. */
  #isConfined = false;
  readonly #copies: Copy[] = [];
  /**
   * By file, the program's end of the pipe that is copied to it. When both outputs go to one file, they share this pipe, which keeps their
   * order.
   */
  readonly #copied = new Map<string, number>();
  readonly #sinks: Sinks;
  #owned: Owned[] = [];
  #hooks: StreamHooks | null = null;
  /** What a stream of the caller's failed with before the program ran. */
  #failure: Error | null = null;
  readonly #onSourceClose = (): void => void this.#stdin?.end();
  readonly #onFailure = (error: Error): void => {
    if (this.#hooks) this.#hooks.onError(error);
    else this.#failure ??= error;
  };

  /** @param closeEnd closes an end that `pipe` made; @param streamOf makes a stream of one @param readerOf makes what an output is read by of one */
  constructor(
    options: Options,
    pipe: MakePipe,
    closeEnd: (fd: number) => void = closeSync,
    streamOf: MakeStream = (fd, direction) => new Socket({ fd, ...direction }),
    readerOf: MakeSource = (fd) => streamOf(fd, { readable: true, writable: false }),
  ) {
    this.#options = options;
    this.#source = sourceOf(options);
    this.#outputFiles = new OutputFiles(this.#items(1), this.#items(2), options.pipesOnly);
    this.#sinks = new Sinks(this.#outputFiles, options.pipesOnly);
    this.#owned.push({ close: () => this.#sinks.close() });
    this.#pipe = pipe;
    this.#closeEnd = closeEnd;
    this.#streamOf = streamOf;
    this.#readerOf = readerOf;
    // errors are heard from now on, for an image may be pulled before the program runs
    for (const stream of callersStreams(options)) stream.on('error', this.#onFailure);
    holdSource(this.#source);
    try {
      if (options.stdin[0]?.type === 'pipe') this.#makeStdin();
      const [stdout, stderr] = ([1, 2] as const).map((stream) => (this.#isVisible(stream) ? this.#makeOutlet(stream).copy() : null));
      this.stdout = stdout ?? null;
      this.stderr = stderr ?? null;
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** The pipe to the program. `null` where stdin comes from elsewhere. */
  get stdin(): Writable | null {
    return this.#options.stdin[0]?.type === 'pipe' && this.#options.input === null ? this.#stdin : null;
  }

  /** New streams that give the output from its beginning on. The list is empty where the output goes elsewhere. */
  copies(from: 'stdout' | 'stderr' | 'all'): Readable[] {
    const wanted = ({ stdout: [1], stderr: [2], all: [1, 2] } as const)[from];
    return wanted.flatMap((stream) => (this.#isVisible(stream) ? (this.#outlets[stream - 1]?.copy() ?? []) : []));
  }

  /**
   * Opens what the options name.
   *
   * @param isConfined a file that is given by its descriptor, or written to, is copied by a pump
   * @throws NacelleError `ERR_INVALID_OPTION` for a descriptor that is not open, or of a kind that can't be given; SyscallError for a
   *   file; what a stream of the caller's failed with until now
   */
  async open({ isConfined }: { isConfined: boolean }): Promise<Streams> {
    this.#isConfined = isConfined;
    try {
      const ends = [await this.#openStdin(), await this.#openOutput(1), await this.#openOutput(2)] as const;
      if (this.#failure) throw streamFailed(this.#failure);
      return { ends, copies: this.#copies };
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** To be called when the program's ends have been duplicated: closes our copies of them, else their pipes would never end. */
  sent(): void {
    for (const fd of this.#childFds.splice(0)) closeSync(fd);
    for (const fd of this.#openEnds.splice(0)) this.#closeEnd(fd);
  }

  /** To be called when the program runs: its input is written, and its output is read. */
  begin(hooks: StreamHooks): void {
    this.sent();
    if (this.#hooks) return;
    this.#hooks = hooks;
    for (const outlet of this.#outlets) outlet?.begin(hooks);
    if (this.#failure) hooks.onError(this.#failure);
    if (!this.#stdin || this.#source === null) return;
    letSourceGo(this.#source);
    feed(this.#stdin, this.#source, this.#onSourceClose);
  }

  /**
   * To be called when the whole tree is gone: reads what is left in the pipes, even when other processes still hold them, and waits until
   * files are written. Gives what was collected.
   */
  async settle(): Promise<Collected> {
    this.#stdin?.destroy();
    const [stdout, stderr] = this.#outlets;
    await Promise.all([stdout?.settle(), stderr?.settle()]);
    await this.#sinks.finish();
    return this.collected;
  }

  /** What was collected until now; `null` for what goes elsewhere. */
  get collected(): Collected {
    const [stdout, stderr] = this.#outlets;
    return { stdout: stdout?.collector ?? null, stderr: stderr?.collector ?? null };
  }

  end(): void {
    for (const outlet of this.#outlets) outlet?.end();
  }

  ref(): void {
    this.#stdin?.ref();
    for (const outlet of this.#outlets) outlet?.ref();
  }

  unref(): void {
    this.#stdin?.unref();
    for (const outlet of this.#outlets) outlet?.unref();
  }

  /** Closes all that is ours, the last made first. When the program has ended, the caller can still read its output. Idempotent. */
  close(): void {
    this.sent();
    for (const { close } of this.#owned.splice(0).reverse()) close();
    // Nobody will read the caller's input any more; a stream given as stdin stays the caller's own.
    letSourceGo(this.#source);
    const { input } = this.#options;
    for (const stream of callersStreams(this.#options)) {
      stream.off('error', this.#onFailure);
      stream.off('close', this.#onSourceClose);
      // a stream that is destroyed, or can't be opened, may still fail later
      if (stream === input || !this.#hooks) ignoreErrors(stream);
    }
    if (isStream(input)) input.destroy?.();
    for (const outlet of this.#outlets) outlet?.leave();
  }

  /** The places of an output; 'ignore' beside others says nothing, and 'pipe' twice is 'pipe'. */
  #items(stream: Stream): readonly StdioItem[] {
    const items = this.#options[NAMES[stream]];
    const useful = items.length > 1 ? items.filter((item) => item.type !== 'ignore') : items;
    return useful.length === 0 ? items.slice(0, 1) : useful;
  }

  /** Whether the caller sees an output here. */
  #isVisible(stream: 1 | 2): boolean {
    return this.#items(stream).some((item) => item.type === 'pipe');
  }

  /** A pipe of ours: gives our end of it. */
  #makePipe(stream: Stream): number {
    const [readEnd, writeEnd] = this.#pipe();
    const [own, child] = stream === 0 ? [writeEnd, readEnd] : [readEnd, writeEnd];
    this.#openEnds.push(child);
    this.#pipeEnds.set(stream, child);
    return own;
  }

  #makeStdin(): void {
    const stdin = this.#streamOf(this.#makePipe(0), { readable: false, writable: true });
    this.#owned.push({ close: () => stdin.destroy() });
    this.#stdin = stdin;
    // A program may close its stdin when it likes: what can't be written then is dropped.
    stdin.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE' && error.code !== 'ECONNRESET') this.#onFailure(error);
    });
  }

  #makeOutlet(stream: 1 | 2): Outlet {
    const { maxBuffer, buffer, pipesOnly } = this.#options;
    const isVisible = this.#isVisible(stream);
    const onOverflow = (): void => this.#hooks?.onOverflow(stream === 1 ? 'stdout' : 'stderr');
    const collector = isVisible || pipesOnly ? new Collector({ limit: maxBuffer, keep: buffer && isVisible }, onOverflow) : null;
    const own = this.#makePipe(stream);
    const source = { open: () => this.#readerOf(own), close: () => this.#closeEnd(own) };
    const outlet = new Outlet(source, collector, { boundsSinks: pipesOnly });
    this.#owned.push({ close: () => outlet.close() });
    this.#outlets[stream - 1] = outlet;
    return outlet;
  }

  #pipeEnd(stream: Stream): ChildEnd {
    return { type: 'pipe', fd: this.#pipeEnds.get(stream) ?? -1 };
  }

  async #openStdin(): Promise<ChildEnd> {
    const [item] = this.#options.stdin;
    const given = item && item.type !== 'pipe' ? item : null;
    const direct = given === null ? null : await (this.#options.pipesOnly ? this.#piped(given) : this.#direct(0, given));
    if (direct !== null) return direct;
    if (!this.#stdin) this.#makeStdin();
    return this.#pipeEnd(0);
  }

  async #openOutput(stream: 1 | 2): Promise<ChildEnd> {
    const items = this.#items(stream);
    const [only] = items;
    const isDirect = only && items.length === 1 && only.type !== 'pipe' && (!this.#options.pipesOnly || only.type === 'ignore');
    const direct = isDirect ? await this.#direct(stream, only) : null;
    if (direct !== null) return direct;
    const outlet = this.#outlets[stream - 1] ?? this.#makeOutlet(stream);
    for (const item of items) {
      const sink = await this.#sinks.open(item, NAMES[stream]);
      if (sink) outlet.add(sink);
    }
    return this.#pipeEnd(stream);
  }

  /** What the program gets directly; `null` where Node must copy the data. */
  async #direct(stream: Stream, item: StdioItem): Promise<ChildEnd | null> {
    switch (item.type) {
      case 'inherit':
        return this.#given(stream, stream);
      case 'fd':
        return this.#given(stream, item.fd);
      case 'ignore':
        return { type: 'null' };
      case 'file':
        return stream === 0 ? this.#input(item.file) : this.#output(stream, item);
      case 'source':
      case 'sink': {
        await untilOpen(item.stream, NAMES[stream]);
        const fd = directDescriptor(item.stream);
        return fd === null ? null : this.#given(stream, fd);
      }
      default:
        return null;
    }
  }

  /** What is a pipe, or nothing, as stdin; `null` where Node copies to a pipe. */
  async #piped(item: StdioItem): Promise<ChildEnd | null> {
    if (item.type === 'source') return null;
    if (item.type === 'file') {
      const fd = await openInput(item.file, NAMES[0]);
      this.#childFds.push(fd);
      return this.#given(0, fd, resolve(item.file));
    }
    const fd = item.type === 'inherit' ? 0 : item.type === 'fd' ? item.fd : null;
    if (fd === null) return { type: 'null' };
    if (kindOf(fd, NAMES[0]).kind !== 'given') return this.#given(0, fd);
    const source = streamOfCopy(fd, 'read');
    source.on('error', this.#onFailure);
    this.#owned.push({ close: () => source.destroy() });
    this.#source = source;
    return null;
  }

  /** A descriptor of the caller's. */
  #given(stream: Stream, fd: number, path: string | null = null): ChildEnd {
    if (!this.#isConfined) {
      checkOpen(fd, NAMES[stream]);
      return { type: 'given', fd };
    }
    const { kind, file } = kindOf(fd, NAMES[stream]);
    if (kind === 'null') return { type: 'null' };
    return kind === 'file' ? this.#copy(stream, { fd, file, path }) : { type: 'given', fd };
  }

  /** A pump copies between the file and a pipe of the program's. */
  #copy(stream: Stream, { fd, file, path }: { fd: number; file: string; path: string | null }): ChildEnd {
    const known = stream === 0 ? undefined : this.#copied.get(file);
    if (known !== undefined) return { type: 'pipe', fd: known };
    const [readEnd, writeEnd] = this.#pipe();
    this.#openEnds.push(readEnd, writeEnd);
    const option = NAMES[stream];
    if (stream === 0) {
      this.#copies.push({ from: fd, to: writeEnd, option, path });
      return { type: 'pipe', fd: readEnd };
    }
    this.#copies.push({ from: readEnd, to: fd, option, path });
    this.#copied.set(file, writeEnd);
    return { type: 'pipe', fd: writeEnd };
  }

  async #input(file: string): Promise<ChildEnd> {
    const kind = await inputFile(file, NAMES[0]);
    return kind === 'null' ? { type: 'null' } : { type: 'file', path: resolve(file) };
  }

  async #output(stream: 1 | 2, { file, append }: { file: string; append: boolean }): Promise<ChildEnd> {
    const path = resolve(file);
    let fd = this.#files.get(path);
    if (fd === undefined) {
      fd = await this.#outputFiles.open(path, append, NAMES[stream]);
      this.#childFds.push(fd);
      this.#files.set(path, fd);
    }
    return this.#given(stream, fd, path);
  }
}

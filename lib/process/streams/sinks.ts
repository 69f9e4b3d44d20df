import { createWriteStream } from 'node:fs';
import { resolve } from 'node:path';
import type { Writable } from 'node:stream';
import { finished } from 'node:stream/promises';
import type { StdioItem } from '../options/process-options.js';
import { isStandard } from './callers-streams.js';
import { streamOfCopy } from './copied-descriptor.js';
import { checkOpen, kindOf } from './descriptors.js';
import type { OutputFiles } from './output-files.js';

/** The streams that Node writes a program's outputs to: the caller's, and those of files. */
export class Sinks {
  readonly #files: OutputFiles;
  readonly #forPipesOnly: boolean;
  /** `end`: {@link finish} ends it; `wait`: and waits until all of it is written. */
  readonly #sinks = new Map<Writable, { end: boolean; wait: boolean }>();
  readonly #opened: Writable[] = [];

  /** @param forPipesOnly nothing but pipes is between Node and the program, so that this is the one way to what a descriptor is */
  constructor(files: OutputFiles, forPipesOnly = false) {
    this.#files = files;
    this.#forPipesOnly = forPipesOnly;
  }

  /**
   * The stream of a place that an output goes to; `null` for a place that is no sink.
   *
   * @throws as {@link OutputFiles.open}; NacelleError `ERR_INVALID_OPTION` for a descriptor that is not open, or of what is no stream
   */
  async open(item: StdioItem, option: 'stdout' | 'stderr'): Promise<Writable | null> {
    if (item.type === 'inherit') return this.#keep(process[option], { end: false, wait: false });
    if (item.type === 'sink') return this.#keep(item.stream, { end: !isStandard(item.stream), wait: false });
    if (item.type === 'fd') {
      const kind = this.#forPipesOnly ? kindOf(item.fd, option).kind : 'file';
      if (kind === 'null') return null;
      if (kind === 'given') return this.#keep(this.#own(streamOfCopy(item.fd, 'write')), { end: false, wait: true });
      checkOpen(item.fd, option);
      return this.#keep(createWriteStream('', { fd: item.fd, autoClose: false }), { end: true, wait: true });
    }
    if (item.type !== 'file') return null;
    const sink = createWriteStream('', { fd: await this.#files.open(resolve(item.file), item.append, option) });
    return this.#keep(this.#own(sink), { end: true, wait: true });
  }

  #own(sink: Writable): Writable {
    this.#opened.push(sink);
    return sink;
  }

  #keep(sink: Writable, ending: { end: boolean; wait: boolean }): Writable {
    this.#sinks.set(sink, ending);
    return sink;
  }

  /** To be called when all output was given: ends the sinks, and waits until files are written. */
  async finish(): Promise<void> {
    for (const [sink, { end }] of this.#sinks) if (end) sink.end();
    await Promise.all(
      [...this.#sinks]
        .filter(([sink, { wait }]) => wait && !sink.errored)
        .map(([sink, { end }]) => (end ? finished(sink, { readable: false }) : written(sink))),
    );
  }

  /** Closes what was opened here. */
  close(): void {
    for (const sink of this.#opened.splice(0)) sink.destroy();
  }
}

/** Until all is written. The end of a stream over a socket would be that of the caller's own too. */
function written(sink: Writable): Promise<void> {
  return new Promise((done, fail) => sink.write('', (error) => (error ? fail(error) : done())));
}

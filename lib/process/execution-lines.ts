import type { Readable } from 'node:stream';
import * as z from 'zod';
import { NacelleError } from '../errors.js';
import { parseOptions } from '../options/parse-options.js';
import { linesOf } from './streams/lines.js';

const outputs = z.enum(['stdout', 'stderr', 'all']);

export type Output = z.output<typeof outputs>;

/** @throws NacelleError `ERR_INVALID_OPTION` */
export function parseOutput(value: unknown): Output {
  return parseOptions(outputs, value, 'from');
}

/** Where the lines come from, and what a loop over them waits for at its end. */
export interface LineSource {
  readonly output: Output;
  /** New streams of the output, from its beginning on. */
  open(): Readable[] | Promise<Readable[]>;
  /** What this promise rejects with is thrown in the loop. */
  readonly result: Promise<unknown>;
}

/** The lines of a program. Each loop over them begins anew. */
export function executionLines(source: LineSource): AsyncIterable<string> {
  return { [Symbol.asyncIterator]: () => new LineIterator(source) };
}

/** A generator's `return` waits for the `next` that is under way, which may be as long as the program lives: here a loop is left at once. */
class LineIterator implements AsyncIterator<string, void, undefined> {
  readonly #source: LineSource;
  readonly #lines: AsyncGenerator<string, void, undefined>;
  #streams: readonly Readable[] = [];
  #isLeft = false;

  constructor(source: LineSource) {
    this.#source = source;
    this.#lines = this.#read();
  }

  next(): Promise<IteratorResult<string, void>> {
    return this.#lines.next();
  }

  async return(): Promise<IteratorResult<string, void>> {
    this.#leave();
    return { done: true, value: undefined };
  }

  async throw(error: unknown): Promise<IteratorResult<string, void>> {
    this.#leave();
    throw error;
  }

  #leave(): void {
    this.#isLeft = true;
    for (const stream of this.#streams) stream.destroy();
    // the generator ends when its `next` has; nobody waits for that
    this.#lines.return().catch(() => undefined);
  }

  async *#read(): AsyncGenerator<string, void, undefined> {
    const { output, open, result } = this.#source;
    // the loop throws this failure at its end; a caller who leaves the loop earlier doesn't want it
    result.catch(() => undefined);
    this.#streams = await open();
    if (this.#isLeft) return;
    if (this.#streams.length === 0) {
      const what = output === 'all' ? 'stdout and stderr' : output;
      throw new NacelleError(`read the lines of ${what}: it goes elsewhere, not to a 'pipe'`, { code: 'ERR_STATE' });
    }
    try {
      yield* linesOf(this.#streams);
    } catch (error) {
      if (this.#isLeft) return;
      if (error instanceof NacelleError) throw error;
      // streams end early when the program could not be started, or the shim died: the promise then rejects with the reason
      await result;
      throw error;
    }
    if (!this.#isLeft) await result;
  }
}

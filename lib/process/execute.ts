import type { Readable } from 'node:stream';
import * as z from 'zod';
import { NacelleError } from '../errors.js';
import { parseOptions } from '../options/parse-options.js';
import { isAbort } from './abort.js';
import { cancelledBeforeStart } from './cancelled.js';
import type { ParsedProcess } from './options/process-options.js';
import type { Encoding, Execution, RunResult } from './options/process-types.js';
import { Program } from './program.js';
import { linesOf } from './streams/lines.js';

/** What runs a program: a container, or the program alone. */
export interface Running<E extends Encoding> {
  readonly pid: number;
  kill(signal?: NodeJS.Signals | number): Promise<void>;
  wait(): Promise<RunResult<E>>;
}

const outputs = z.enum(['stdout', 'stderr', 'all']);

/**
 * Runs a program at once and gives its promise and streams; `run` of every class uses this. `start` makes what the program needs and starts
 * it: when it fails, the promise rejects with its error, and nothing is left. `command` is for the result of a program that was cancelled
 * before it started.
 */
export function execute<E extends Encoding>(
  options: ParsedProcess,
  command: readonly string[],
  start: (program: Program<E>) => Promise<Running<E>>,
): Execution<E> {
  const program = new Program<E>(options);
  const { stdin, stdout, stderr } = program.streams;
  const starting = start(program).catch((error: unknown) => {
    program.streams.close();
    throw error;
  });
  const result = starting.then(
    (running) => running.wait(),
    (error: unknown) => {
      if (isAbort(options.cancelSignal, error)) return cancelledBeforeStart<E>(options, command);
      throw error;
    },
  );
  const lines: Execution<E>['lines'] = (from = 'stdout') => {
    const output = parseOptions(outputs, from, 'from');
    return linesUntilEnd(() => program.streams.copies(output), result, output);
  };
  const kill: Execution<E>['kill'] = async (signal) => {
    // when the program can't be started, the promise rejects with the reason
    const running = await starting.catch(() => null);
    await running?.kill(signal);
  };
  return executionOf(result, { pid: starting.then(pidOf), stdin, stdout, stderr, lines, kill });
}

/** An Execution that never began: an error in the options rejects the promise, as every other failure does. */
export function refuse<E extends Encoding>(error: unknown): Execution<E> {
  const result = Promise.reject<RunResult<E>>(error);
  return executionOf(result, {
    pid: Promise.reject<number>(error),
    stdin: null,
    stdout: null,
    stderr: null,
    lines: (from = 'stdout') => linesUntilEnd(() => result.then(() => []), result, from),
    kill: async () => undefined,
  });
}

type Parts<E extends Encoding> = Pick<Execution<E>, 'pid' | 'stdin' | 'stdout' | 'stderr' | 'lines' | 'kill'>;

/** Plain properties: to look at an execution changes nothing. */
function executionOf<E extends Encoding>(result: Promise<RunResult<E>>, parts: Parts<E>): Execution<E> {
  // the caller need not use `pid`: its rejection must not count as unhandled
  parts.pid.catch(() => undefined);
  return Object.assign(result, parts, { [Symbol.asyncIterator]: () => parts.lines()[Symbol.asyncIterator]() });
}

async function* linesUntilEnd(
  copies: () => Readable[] | Promise<Readable[]>,
  result: Promise<unknown>,
  output: z.output<typeof outputs>,
): AsyncGenerator<string, void, undefined> {
  // the loop throws this failure at its end; a caller who leaves the loop earlier doesn't want it
  result.catch(() => undefined);
  const streams = await copies();
  if (streams.length === 0) {
    throw new NacelleError(`read the lines of ${output === 'all' ? 'stdout and stderr' : output}: it goes elsewhere, not to a 'pipe'`, {
      code: 'ERR_STATE',
    });
  }
  try {
    yield* linesOf(streams);
  } catch (error) {
    if (error instanceof NacelleError) throw error;
    // streams end early when the program could not be started, or the shim died: the promise then rejects with the reason
    await result;
    throw error;
  }
  await result;
}

/** A program that was cancelled before it ran has no pid: to kill the number 0 would be to kill the caller's own process group. */
function pidOf({ pid }: { readonly pid: number }): number {
  if (pid === 0) throw new NacelleError('the process was killed before it started', { code: 'ERR_ENDED' });
  return pid;
}

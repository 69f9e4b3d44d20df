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
 * Runs a program at once and gives its promise and streams: what `run` of every class is made of. `start` makes what the program
 * needs and starts it; what it fails with is told by the promise, and it leaves nothing then. `command` is for the result where it comes
 * to nothing.
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
    // that it could not be started is told by the promise
    const running = await starting.catch(() => null);
    await running?.kill(signal);
  };
  return executionOf(result, { pid: starting.then(pidOf), stdin, stdout, stderr, lines, kill });
}

/** An Execution that never began: what is wrong with the options is told as every other failure, by the promise. */
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
  // nobody has to ask for it
  parts.pid.catch(() => undefined);
  return Object.assign(result, parts, { [Symbol.asyncIterator]: () => parts.lines()[Symbol.asyncIterator]() });
}

async function* linesUntilEnd(
  copies: () => Readable[] | Promise<Readable[]>,
  result: Promise<unknown>,
  output: z.output<typeof outputs>,
): AsyncGenerator<string, void, undefined> {
  // told in the loop, or to nobody when that is left before
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
    // streams end before their time when the program could not be started, or the shim died: that is the reason to be told
    await result;
    throw error;
  }
  await result;
}

/** No number for what was cancelled before it ran: 0 would be the caller's own group, were it killed. */
function pidOf({ pid }: { readonly pid: number }): number {
  if (pid === 0) throw new NacelleError('the process was killed before it started', { code: 'ERR_ENDED' });
  return pid;
}

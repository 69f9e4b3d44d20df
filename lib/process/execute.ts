import { Readable } from 'node:stream';
import { NacelleError } from '../errors.js';
import type { Trace } from '../native/trace.js';
import { isAbort } from './abort.js';
import { cancelledBeforeStart } from './cancelled.js';
import { executionLines, parseOutput } from './execution-lines.js';
import { type ParsedProcess, parseTerminalSize } from './options/process-options.js';
import type { Encoding, Execution, RunResult } from './options/process-types.js';
import { signalNumber } from './options/signals.js';
import { Program } from './program.js';

/** What runs a program: a container, or the program alone. */
export interface Running<E extends Encoding> {
  readonly pid: number;
  kill(signal?: NodeJS.Signals | number): Promise<void>;
  wait(): Promise<RunResult<E>>;
}

/**
 * Runs a program at once and gives its promise and streams; `run` of every class uses this. `start` makes what the program needs and starts
 * it: when it fails, the promise rejects with its error, and nothing is left. `command` is for the result of a program that was cancelled
 * before it started. `trace` notes what is done.
 */
export function execute<E extends Encoding>(
  options: ParsedProcess,
  command: readonly string[],
  start: (program: Program<E>) => Promise<Running<E>>,
  trace: Trace | null = null,
): Execution<E> {
  const program = new Program<E>(options);
  const { stdin, stdout, stderr } = program.streams;
  const begun = trace === null ? start(program) : trace.during(() => start(program));
  const starting = begun.catch((error: unknown) => {
    // a program that was cancelled has written nothing; one that could not be started has no streams
    if (isAbort(options.cancelSignal, error)) program.streams.end();
    program.streams.close();
    throw error;
  });
  const over = starting.then(
    (running) => running.wait(),
    (error: unknown) => {
      if (isAbort(options.cancelSignal, error)) return cancelledBeforeStart<E>(options, command);
      throw error;
    },
  );
  const result = trace === null ? over : trace.ends(over);
  const lines: Execution<E>['lines'] = (from = 'stdout') => {
    const output = parseOutput(from);
    return executionLines({ output, open: () => program.streams.copies(output), result });
  };
  const kill: Execution<E>['kill'] = async (signal) => {
    // when the program can't be started, the promise rejects with the reason
    const running = await starting.catch(() => null);
    await running?.kill(signal);
  };
  const resize: Execution<E>['resize'] = async (size) => {
    const parsed = parseTerminalSize(size);
    await starting.catch(() => null);
    program.resize(parsed);
  };
  return executionOf(result, { pid: starting.then(pidOf), stdin, stdout, stderr, lines, kill, resize });
}

/**
 * An Execution that never began: an error in the options rejects the promise, as every other failure does. Its outputs are at their end, so that
 * a caller who reads them hears of that error.
 */
export function refuse<E extends Encoding>(error: unknown): Execution<E> {
  const result = Promise.reject<RunResult<E>>(error);
  return executionOf(result, {
    pid: Promise.reject<number>(error),
    stdin: null,
    stdout: Readable.from([]),
    stderr: Readable.from([]),
    lines: (from = 'stdout') => executionLines({ output: parseOutput(from), open: () => result.then(() => []), result }),
    kill: async (signal = 'SIGKILL') => void signalNumber(signal),
    resize: async (size) => {
      parseTerminalSize(size);
      throw new NacelleError('change the size of the terminal: the program never ran', { code: 'ERR_STATE' });
    },
  });
}

type Parts<E extends Encoding> = Pick<Execution<E>, 'pid' | 'stdin' | 'stdout' | 'stderr' | 'lines' | 'kill' | 'resize'>;

/** Plain properties: to look at an execution changes nothing. */
function executionOf<E extends Encoding>(result: Promise<RunResult<E>>, parts: Parts<E>): Execution<E> {
  // the caller need not use `pid`: its rejection must not count as unhandled
  parts.pid.catch(() => undefined);
  return Object.assign(result, parts, { [Symbol.asyncIterator]: () => parts.lines()[Symbol.asyncIterator]() });
}

/** A program that was cancelled before it ran has no pid: to kill the number 0 would be to kill the caller's own process group. */
function pidOf({ pid }: { readonly pid: number }): number {
  if (pid === 0) throw new NacelleError('the process was killed before it started', { code: 'ERR_ENDED' });
  return pid;
}

import { NacelleError } from '../errors.js';
import { monotonicMs } from '../native/clock.js';
import { start } from '../native/shim.js';
import type { Task } from '../native/task.js';
import { isAbort, unlessAborted } from './abort.js';
import { cancelledBeforeStart } from './cancelled.js';
import type { Streams } from './child-end.js';
import { type Launch, Program, type ProgramFacts } from './program.js';
import type { ParsedProcess } from './schema.js';
import { SIGKILL, signalNumber } from './signals.js';
import type { Encoding, Execution, RunResult } from './types.js';

/**
 * Runs a program at once and gives its promise and streams: what `exec` and `run` of every class are made of.
 * `prepare` finds out what the plan needs; it may fail, and nothing was made then. `command` is for the result where it comes to nothing.
 */
export function execute<E extends Encoding>(
  options: ParsedProcess,
  command: readonly string[],
  prepare: () => Promise<{ facts: ProgramFacts; build: (streams: Streams) => Launch }>,
): Execution<E> {
  const { cancelSignal } = options;
  const program = new Program<E>(options, monotonicMs());
  const launched = (async () => {
    const { facts, build } = await unlessAborted(cancelSignal, prepare, () => undefined).catch((error: unknown) => {
      program.stdio.close();
      throw error;
    });
    const task = await program.launch(facts, (streams, signal) => {
      const { plan, descriptors } = build(streams);
      return start(plan, descriptors, signal);
    });
    program.begin();
    return task;
  })();
  // told by the promise of the result
  launched.catch(() => undefined);
  const promise: Promise<RunResult<E>> = launched.then(
    () => program.outcome(),
    (error: unknown) => {
      if (isAbort(cancelSignal, error)) return cancelledBeforeStart<E>(options, command);
      throw error;
    },
  );
  const pid = launched.then((task) => pidOf(task));
  pid.catch(() => undefined);
  const execution = Object.assign(promise, {
    pid,
    stdin: program.stdio.stdin,
    stdout: null,
    stderr: null,
    async kill(signal: NodeJS.Signals | number = 'SIGKILL'): Promise<void> {
      const number = signalNumber(signal);
      await (await launched).kill({ cause: 'caller', signal: number, tree: number === SIGKILL });
    },
  });
  // reading one of these takes the stream, so it must happen when the caller reads it
  return Object.defineProperties(execution, {
    stdout: { get: () => program.stdio.stdout, enumerable: true },
    stderr: { get: () => program.stdio.stderr, enumerable: true },
  });
}

/** No number for what was cancelled before it ran: 0 would be the caller's own group, were it killed. */
function pidOf({ pid }: Task): number {
  if (pid === 0) throw new NacelleError('the process was killed before it started', { code: 'ERR_ENDED' });
  return pid;
}

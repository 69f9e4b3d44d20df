import { now } from '../native/clock.js';
import { outputOf } from '../process/collect.js';
import { usageOf } from '../process/result.js';
import { ContainerRunError } from '../process/run-error.js';
import type { Encoding, RunResult } from '../process/types.js';
import type { ParsedOptions } from './options.js';

/** The result of a run whose `cancelSignal` was aborted before anything was made. */
export function cancelledBeforeStart<E extends Encoding>(options: ParsedOptions): RunResult<E> {
  // the options were checked against the same type that E was taken from
  const encoding = options.process.encoding as E;
  const result: RunResult<E> = {
    id: '',
    command: [...(options.entrypoint ?? []), ...(options.command ?? [])],
    status: 'cancelled',
    reason: 'cancelSignal was aborted before the start',
    exitCode: null,
    signal: null,
    signalNumber: null,
    failed: true,
    timedOut: false,
    oomKilled: false,
    isCanceled: true,
    isMaxBuffer: false,
    stdout: outputOf<E>(null, encoding),
    stderr: outputOf<E>(null, encoding),
    files: {},
    startedAt: new Date(now()),
    durationMs: 0,
    setupMs: 0,
    usage: usageOf({ userMs: 0, systemMs: 0, maxRssBytes: 0, voluntarySwitches: 0, involuntarySwitches: 0 }),
    notEnforced: [],
  };
  if (options.process.reject) throw new ContainerRunError<E>(result);
  return result;
}

import { now } from '../native/clock.js';
import type { ParsedProcess } from './options/process-options.js';
import type { Encoding, RunResult } from './options/process-types.js';
import { usageOf } from './result.js';
import { ContainerRunError } from './run-error.js';
import { outputOf } from './streams/collect.js';

/**
 * The result of a call whose `cancelSignal` was aborted before anything was made.
 *
 * @throws ContainerRunError with `reject: true`
 */
export function cancelledBeforeStart<E extends Encoding>(options: ParsedProcess, command: readonly string[]): RunResult<E> {
  // the options were checked against the same type that E was taken from
  const encoding = options.encoding as E;
  const result: RunResult<E> = {
    id: '',
    command: [...command],
    status: 'canceled',
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
    notCopied: [],
    startedAt: new Date(now()),
    durationMs: 0,
    setupMs: 0,
    usage: usageOf({ userMs: 0, systemMs: 0, maxRssBytes: 0, voluntarySwitches: 0, involuntarySwitches: 0 }),
    notEnforced: [],
  };
  if (options.reject) throw new ContainerRunError<E>(result);
  return result;
}

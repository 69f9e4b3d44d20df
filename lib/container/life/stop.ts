import { clearTimeout, setTimeout } from '../../native/clock.js';
import { delay } from '../../options/common-schemas.js';
import { parseOptions } from '../../options/parse-options.js';
import { unlessAborted } from '../../process/abort.js';
import type { Encoding, RunResult } from '../../process/options/process-types.js';
import { SIGKILL, signalNumber } from '../../process/options/signals.js';
import { type Life, waitOptions } from './life.js';
import { resume } from './pause.js';

export const KILL_DELAY = 10_000;
const stopOptions = waitOptions.extend({ timeout: delay.optional() });

export async function kill(life: Life, signal: NodeJS.Signals | number = 'SIGKILL'): Promise<void> {
  const number = signalNumber(signal);
  if (life.state === 'stopped') return;
  await life.held.task.kill({ cause: 'caller', signal: number, tree: number === SIGKILL });
}

export async function stop<E extends Encoding>(
  life: Life<E>,
  options: { timeout?: number | undefined; cancelSignal?: AbortSignal | undefined },
): Promise<RunResult<E>> {
  const { timeout = KILL_DELAY, cancelSignal = null } = parseOptions(stopOptions, options, 'options');
  cancelSignal?.throwIfAborted();
  const ended = life.end();
  const untilEnd = (): Promise<RunResult<E>> =>
    unlessAborted(
      cancelSignal,
      () => ended,
      () => undefined,
    );
  if (life.state === 'running' || life.state === 'paused' || life.state === 'restarting') {
    await life.held.task.kill({ cause: 'caller', signal: life.record.current.stopSignal, tree: false });
    if (life.state === 'paused') await resume(life);
    const timer = setTimeout(() => void kill(life).catch(() => undefined), timeout);
    try {
      return await untilEnd();
    } finally {
      clearTimeout(timer);
    }
  }
  if (life.state === 'created') await kill(life);
  return untilEnd();
}

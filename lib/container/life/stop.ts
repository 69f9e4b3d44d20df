import * as z from 'zod';
import { toError } from '../../errors.js';
import { clearTimeout, setTimeout } from '../../native/clock.js';
import { Deferred } from '../../native/deferred.js';
import { abortSignal, delay } from '../../options/common-schemas.js';
import { parseOptions } from '../../options/parse-options.js';
import { unlessAborted } from '../../process/abort.js';
import type { Encoding, RunResult } from '../../process/options/process-types.js';
import { SIGKILL, signalNumber } from '../../process/options/signals.js';
import { killOf } from '../events/happenings.js';
import type { Life } from './life.js';
import { resume } from './pause.js';
import { tellAtEnd } from './tell.js';

export const KILL_DELAY = 10_000;
const stopOptions = z.strictObject({ cancelSignal: abortSignal.optional(), timeout: delay.optional() });

export async function kill(life: Life, signal: NodeJS.Signals | number = 'SIGKILL'): Promise<void> {
  const number = signalNumber(signal);
  if (life.hasEnded) return;
  await send(life, number, { tree: number === SIGKILL });
}

async function send(life: Life, signal: number, { tree }: { tree: boolean }): Promise<void> {
  // between two runs there is nobody to hear it
  if (life.own !== null && life.state !== 'restarting') life.own.tell(killOf(signal));
  await life.held.task.kill({ cause: 'caller', signal, tree });
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
    tellAtEnd(life, { type: 'stop' });
    await send(life, life.record.current.stopSignal, { tree: false });
    if (life.state === 'paused') await resume(life);
    const late = new Deferred<never>();
    // what can't be killed would be waited for without end
    const timer = setTimeout(() => void kill(life).catch((error: unknown) => late.reject(toError(error))), timeout);
    try {
      return await Promise.race([untilEnd(), late.promise]);
    } finally {
      clearTimeout(timer);
    }
  }
  if (life.state === 'created') await kill(life);
  return untilEnd();
}

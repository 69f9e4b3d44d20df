import { hasCode, NacelleError } from '../../errors.js';
import type { Descriptors } from '../../plan/plan.js';
import type { Step } from '../../plan/steps.js';
import type { Life } from './life.js';

/**
 * Has the container's shim run steps, some of which need its first process.
 *
 * @param what for messages: 'publish()'
 * @throws NacelleError `ERR_STATE` when it has ended, or is between two runs; SyscallError
 */
export async function callInside(life: Life, what: string, steps: readonly Step[], descriptors: Descriptors = new Map()): Promise<void> {
  await life.held.task.call(steps, { descriptors }).catch((cause: unknown) => {
    if (!hasCode(cause, 'ERR_ENDED', 'ESRCH')) throw cause;
    const why = life.hasEnded || hasCode(cause, 'ERR_ENDED') ? 'it has ended' : 'it is restarting';
    throw new NacelleError(`${what} of the container ${life.id}: ${why}`, { code: 'ERR_STATE', cause });
  });
}

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { hasCode, NacelleError, oneOf } from '../../errors.js';
import { removalShim } from '../../host/container-shim.js';
import { keptSteps } from '../../host/journal.js';
import { EVIDENCE, reapOwner } from '../../host/reap.js';
import { carryOut } from '../../native/host-work.js';
import { decodeEnded } from '../../native/messages.js';
import { attempt, undoErrorsOf } from '../../native/system-errors.js';
import type { Task } from '../../native/task.js';
import { NONE, planOf, Slots } from '../../plan/plan.js';
import { containerFolder } from './container-folders.js';

/**
 * The task of a container that had ended before its shim died: the evidence of its end, and its logs, are left. `null` where there is no
 * such evidence.
 */
export function taskOfTheDead(id: string): Task | null {
  const body = attempt(`read the end of the container ${id}`, () => {
    try {
      return readFileSync(join(containerFolder(id), EVIDENCE));
    } catch (error) {
      if (hasCode(error, 'ENOENT', 'ENOTDIR')) return null;
      throw error;
    }
  });
  if (body === null) return null;
  const { failure: _, undoFailures, ...end } = decodeEnded(body);
  const gone = async (): Promise<never> => {
    throw new NacelleError(`the shim of the container ${id} died: only its end and its logs are left`, { code: 'ERR_ENDED' });
  };
  return {
    pid: 0,
    started: { outputs: [], descriptors: new Map() },
    emptied: Promise.resolve(end),
    ended: Promise.resolve({ ...end, ...undoErrorsOf(undoFailures, planOf({})) }),
    release: gone,
    call: gone,
    beside: gone,
    again: gone,
    status: gone,
    watch: () => () => undefined,
    hearDenials: () => undefined,
    hearRefusals: () => undefined,
    kill: async () => undefined,
    tell: () => undefined,
    close: async () => {
      const slots = new Slots();
      const evidence = join(containerFolder(id), EVIDENCE);
      // without evidence it is no container any more: the owner's file goes last, and until then whoever reaps removes the rest
      const shim = await removalShim();
      const removal = planOf({ prepare: [{ op: 'unlink', host: true, at: NONE, path: evidence }, ...keptSteps(id, slots)] });
      await carryOut(removal, new Map(), shim);
      const failure = oneOf((await reapOwner(id, shim)) ?? []);
      if (failure) throw failure;
    },
    ref: () => undefined,
    unref: () => undefined,
  };
}

import { emitWarning } from 'node:process';
import { allOf, codeOf, toError } from '../errors.js';
import type { Task } from '../native/task.js';

/** What a program's end has left to be undone. */
export interface Undone {
  readonly undoErrors: readonly Error[];
  readonly notStartedAgain: Error | null;
}

/** How many programs may have ended of which something is still to be undone. */
const MOST = 64;

const NOTHING_YET: Undone = { undoErrors: [], notStartedAgain: null };

let pending = 0;

/**
 * Lets a result go ahead of what is undone: that is waited for only where it is behind, as when processes of others stay in many groups. What fails is told
 * by a warning then, and `reap()` tries again. Whoever wants to wait for it has `task.ended`.
 */
export async function undoneLater({ ended }: Pick<Task, 'ended'>, command: readonly string[]): Promise<Undone> {
  if (pending >= MOST) return ended;
  pending++;
  ended
    .then(({ undoErrors }) => allOf(undoErrors), toError)
    .then((failure) => {
      pending--;
      if (failure) emitWarning(cleanupMessage(command, failure), { type: 'NacelleWarning', code: 'ERR_CLEANUP', detail: codeOf(failure) });
    });
  return NOTHING_YET;
}

export function cleanupMessage(command: readonly string[], failure: Error): string {
  return `clean up after ${command[0] ?? 'the program'}: ${failure.message}`;
}

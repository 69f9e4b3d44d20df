import { emitWarning } from 'node:process';
import { allOf, toError } from '../errors.js';

/** What a program's end has left to be undone. */
export interface Undone {
  readonly undoErrors: readonly Error[];
  readonly notStartedAgain: Error | null;
}

/** How many programs may have ended of which something is still to be undone. */
const MOST = 64;

const NOTHING_YET: Undone = { undoErrors: [], notStartedAgain: null };

/** What is undone of programs whose results are there. */
export const undoing = new Set<Promise<void>>();

/** Resolves when all is undone of programs whose results are there by now. */
export async function allUndone(): Promise<void> {
  await Promise.all(undoing);
}

/**
 * Lets a result go ahead of what is undone: that is waited for only where it is behind, as when processes of others stay in many groups. What fails is told
 * by a warning then, and `reap()` tries again. Whoever wants to wait for it has `task.ended`.
 */
export async function undoneLater(ended: Promise<Undone>, command: readonly string[]): Promise<Undone> {
  if (undoing.size >= MOST) return ended;
  const undone = ended
    .then(({ undoErrors }) => allOf(undoErrors), toError)
    .then((failure) => {
      undoing.delete(undone);
      if (failure) emitWarning(cleanupMessage(command, failure), { type: 'NacelleWarning', code: 'ERR_CLEANUP' });
    });
  undoing.add(undone);
  return NOTHING_YET;
}

export function cleanupMessage(command: readonly string[], failure: Error): string {
  return `clean up after ${command[0] ?? 'the program'}: ${failure.message}`;
}

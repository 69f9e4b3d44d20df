import { allOf, toError } from '../../errors.js';
import { carryOut } from '../../native/host-work.js';
import { NONE, planOf } from '../../plan/plan.js';

/**
 * Removes a folder with all in it, also what is deeper than a path may be long. A missing one is success. By a process of its own.
 *
 * @throws SyscallError: some of it is left
 */
export async function removeTree(path: string): Promise<void> {
  await carryOut(planOf({ undo: [{ op: 'remove_tree', host: true, at: NONE, path }] }));
}

/** Removes each, whatever becomes of the others. @returns what failed */
export async function removeTrees(paths: readonly string[]): Promise<Error | undefined> {
  const failures: Error[] = [];
  for (const path of paths) await removeTree(path).catch((error: unknown) => failures.push(toError(error)));
  return allOf(failures);
}

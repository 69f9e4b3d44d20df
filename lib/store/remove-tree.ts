import { oneOf, toError } from '../errors.js';
import { removalShim } from '../host/container-shim.js';
import { carryOut } from '../native/host-work.js';
import { NONE, planOf } from '../plan/plan.js';

/**
 * Removes a folder with all in it, even when it is deeper than a path may be long. A process of its own does it. A missing folder is
 * success.
 *
 * @throws SyscallError: some of it is left
 */
export async function removeTree(path: string): Promise<void> {
  await carryOut(planOf({ undo: [{ op: 'remove_tree', host: true, at: NONE, path }] }), new Map(), await removalShim());
}

/** Removes each tree, even when others fail. @returns the failures */
export async function removeTrees(paths: readonly string[]): Promise<Error | undefined> {
  const failures: Error[] = [];
  for (const path of paths) await removeTree(path).catch((error: unknown) => failures.push(toError(error)));
  return oneOf(failures);
}

import { isError, isNacelleError, toError, withCleanupError } from '../errors.js';
import { isShimLost } from '../native/shim-error.js';

/** A failure, once what it left half made was undone; what fails on the way is its `cleanupError`. */
export async function undoneAfter(error: unknown, undo: () => unknown): Promise<unknown> {
  const failure = await Promise.resolve()
    .then(undo)
    .then(() => undefined, toError);
  return withCleanupError(error, failure);
}

/** Whether a failure, or what failed while it was undone, is that the shim has gone: something may be left then. Pure. */
export function hasLostShim(error: unknown): boolean {
  if (isShimLost(error)) return true;
  if (isNacelleError(error) && error.cleanupError !== undefined) return hasLostShim(error.cleanupError);
  return isError(error) && 'errors' in error && Array.isArray(error.errors) && error.errors.some(hasLostShim);
}

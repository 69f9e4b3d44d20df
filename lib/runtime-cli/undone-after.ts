import { toError, withCleanupError } from '../errors.js';

/** A failure, once what it left half made was undone; what fails on the way is its `cleanupError`. */
export async function undoneAfter(error: unknown, undo: () => unknown): Promise<unknown> {
  const failure = await Promise.resolve()
    .then(undo)
    .then(() => undefined, toError);
  return withCleanupError(error, failure);
}

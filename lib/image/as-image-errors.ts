import { ImageError, NacelleError } from '../errors.js';

/**
 * Does something with images. What the system refuses meanwhile (a full disk, a folder that may not be read, a stream that doesn't
 * decompress) is told as an ImageError that says what was being done.
 *
 * @param options.signal its reason passes as it is
 */
export async function asImageErrors<T>(
  what: string,
  work: () => Promise<T>,
  { reference = null, signal }: { readonly reference?: string | null; readonly signal?: AbortSignal | undefined } = {},
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    signal?.throwIfAborted();
    if (!isOfTheSystem(error)) throw error;
    throw new ImageError(`${what}: ${error.message}`, { reference, cause: error });
  }
}

/** Node gives these a code in words; a mistake of the program has none, and is told as it is. */
function isOfTheSystem(error: unknown): error is Error {
  return error instanceof Error && !(error instanceof NacelleError) && 'code' in error && typeof error.code === 'string';
}

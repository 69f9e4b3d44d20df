import { codeOf, errnoOf, ImageError, isNacelleError } from '../errors.js';
import { wordsOf } from '../native/system-errors.js';

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
    throw new ImageError(`${what}: ${wordsOf(error)}`, { reference, cause: error });
  }
}

/** A system call's, a decoder's or a stream's: Node gives codes to mistakes of the program, too. */
function isOfTheSystem(error: unknown): boolean {
  return !isNacelleError(error) && (errnoOf(error) !== undefined || codeOf(error)?.startsWith('ERR_STREAM_') === true);
}

import { codeOf, errnoOf, ImageError, isNacelleError } from '../errors.js';
import { wordsOf } from '../native/system-errors.js';

/**
 * Does something with images. When the system refuses something meanwhile (a full disk, a folder that may not be read, a stream that
 * doesn't decompress), this throws an ImageError that says what was being done.
 *
 * @param options.signal the reason of its abort is thrown as it is
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

/** Whether an error is one of a system call, a decoder or a stream: Node gives codes to mistakes of the program, too. */
export function isOfTheSystem(error: unknown): boolean {
  return !isNacelleError(error) && (errnoOf(error) !== undefined || codeOf(error)?.startsWith('ERR_STREAM_') === true);
}

/**
 * Calls `begin` and waits for its result. When the signal is aborted first, this rejects with the signal's reason; the work goes on, and
 * `late` is given its result.
 */
export async function unlessAborted<T>(signal: AbortSignal | null, begin: () => Promise<T>, late: (value: T) => void): Promise<T> {
  if (signal === null) return begin();
  signal.throwIfAborted();
  const work = begin();
  let abort = (): void => undefined;
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(signal.reason);
  });
  signal.addEventListener('abort', abort, { once: true });
  try {
    return await Promise.race([work, aborted]);
  } catch (error) {
    // the caller has the signal's reason already, so a later failure of the work is ignored
    if (isAbort(signal, error)) work.then(late, () => undefined);
    throw error;
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

/** Whether something failed because the signal was aborted. */
export function isAbort(signal: AbortSignal | null, error: unknown): boolean {
  return signal?.aborted === true && error === signal.reason;
}

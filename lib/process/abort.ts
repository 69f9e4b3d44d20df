/**
 * Waits for what is begun here, or rejects with the signal's reason when that is aborted before; then it goes on by itself, and
 * `late` is given what it brings.
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
    // that it failed afterwards is no news
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

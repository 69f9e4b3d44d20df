/**
 * Works on each item, in their order, so many at a time. After a failure no further item begins: the promises of those reject with that
 * failure too.
 *
 * @returns a promise for each; see {@link settled}
 */
export function inParallel<T, R>(items: readonly T[], parallel: number, work: (item: T, index: number) => Promise<R>): Promise<R>[] {
  const waiting: (() => void)[] = [];
  let free = parallel;
  let failure: { readonly error: unknown } | null = null;
  return items.map(async (item, index) => {
    if (free > 0) free--;
    else await new Promise<void>((resolve) => waiting.push(resolve));
    try {
      if (failure) throw failure.error;
      return await work(item, index);
    } catch (error) {
      failure ??= { error };
      throw error;
    } finally {
      const next = waiting.shift();
      if (next) next();
      else free++;
    }
  });
}

/** Waits for all, and fails if one did: none of them goes on afterwards. */
export async function settled(promises: readonly Promise<unknown>[]): Promise<void> {
  const failed = (await Promise.allSettled(promises)).find((result) => result.status === 'rejected');
  if (failed) throw failed.reason;
}

import { ImageError, UnsupportedError } from '../../errors.js';
import { type CachePlace, placeName } from './cache-places.js';
import { ImportedCache } from './imported-cache.js';

/** What there is of the caches that were asked for. */
export interface OpenedCaches {
  /** Whoever opened them closes them. */
  readonly imported: readonly ImportedCache[];
  /** Of each that can't be read, why not: a build that is slower is better than none. */
  readonly problems: readonly { readonly rule: null; readonly message: string; readonly file: ''; readonly line: 0 }[];
}

/** @throws the signal's reason, and what is no fault of a cache */
export async function openCaches(places: readonly CachePlace[], signal: AbortSignal): Promise<OpenedCaches> {
  const imported: ImportedCache[] = [];
  const problems: OpenedCaches['problems'][number][] = [];
  for (const place of places) {
    try {
      const cache = await ImportedCache.open(place, signal);
      if (cache) imported.push(cache);
    } catch (error) {
      if (!signal.aborted && (error instanceof ImageError || error instanceof UnsupportedError)) {
        problems.push({ rule: null, message: `the cache ${placeName(place)} can't be read: ${error.message}`, file: '', line: 0 });
        continue;
      }
      for (const cache of imported) await cache.close();
      throw error;
    }
  }
  return { imported, problems };
}

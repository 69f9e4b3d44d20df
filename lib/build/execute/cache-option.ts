import * as z from 'zod';
import { invalidOption } from '../../errors.js';
import { type CachePlace, cachePlace } from '../cache/cache-places.js';

/** Caches of other machines. */
export interface BuildCacheOptions {
  /**
   * Where layers are taken from that this store doesn't have, the first place that has one: names at registries, or 'oci:FOLDER' and 'oci:FOLDER:TAG' for
   * OCI layouts (the tag is 'latest' by default). One that is not there yet has nothing; one that can't be read is a warning. Whoever writes there
   * decides what is in the images that are built: name none that you don't trust.
   */
  readonly from?: readonly string[] | undefined;
  /** Where the layers of this build are brought when all of it is built, in the place of what the name has there: as in `from`. */
  readonly to?: string | undefined;
  /** Which layers `to` gets: 'max', the default, those of all stages, 'min' those of the image alone: BuildKit's default, with which `COPY --from` is not found here. */
  readonly mode?: 'min' | 'max' | undefined;
}

/** The option, checked. */
export interface ParsedCache {
  /** Whether layers of earlier builds are taken. */
  readonly reads: boolean;
  readonly from: readonly CachePlace[];
  readonly to: CachePlace | null;
  readonly mode: 'min' | 'max';
}

const word = z.string().min(1);
const wanted = z.strictObject({ from: z.array(word).default([]), to: word.optional(), mode: z.enum(['min', 'max']).default('max') });

export const cacheSchema = z.union([z.boolean(), wanted]).default(true);

/** @throws NacelleError `ERR_INVALID_OPTION` */
export function parsedCache(cache: z.output<typeof cacheSchema>): ParsedCache {
  if (typeof cache === 'boolean') return { reads: cache, from: [], to: null, mode: 'max' };
  const { from, to: target, mode } = cache;
  const to = target === undefined ? null : cachePlace('cache.to', target);
  if (to?.kind === 'registry' && to.digest !== null)
    throw invalidOption('cache.to', `${JSON.stringify(target)} has a digest, which is not given but follows from the bytes`);
  return {
    ...{ reads: true, mode },
    from: from.map((text, index) => cachePlace(`cache.from[${index}]`, text)),
    to,
  };
}

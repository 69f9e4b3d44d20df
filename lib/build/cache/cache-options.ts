import * as z from 'zod';
import { word } from '../../options/common-schemas.js';

/** Options of `BuildCache.prune()`. */
export const pruneOptions = z.strictObject({ type: z.enum(['step', 'mount']).optional() });

/** (uid_t)-1 is no id (chown(2)). */
const owner = z
  .int()
  .min(0)
  .max(2 ** 32 - 2);

/** Options by which `BuildCache` names a cache mount. */
export const mountOptions = z.strictObject({ namespace: word.default('default'), uid: owner.default(0), gid: owner.default(0) });

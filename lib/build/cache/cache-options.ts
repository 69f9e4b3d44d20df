import * as z from 'zod';
import { word } from '../../options/common-schemas.js';

/** Options of `BuildCache.prune()`. */
export const pruneOptions = z.strictObject({ type: z.enum(['step', 'mount']).optional() });

/** Options by which `BuildCache` names a cache mount. */
export const mountOptions = z.strictObject({ namespace: word.default('default') });

import * as z from 'zod';
import { checkLimits } from './check-limits.js';
import { limitsShape } from './limits.js';

/** Schema of Limits; its output has sizes in bytes. */
export const limitsSchema = z.strictObject(limitsShape).superRefine(checkLimits);

import * as z from 'zod';

/** Of PoolOptions. */
export const poolSchema = z.strictObject({ ready: z.int().min(1).max(256).optional() });

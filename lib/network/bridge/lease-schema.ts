import * as z from 'zod';

/** A use of a network that tells of a container. */
export const leaseSchema = z.object({ id: z.string(), addresses: z.array(z.string()) });

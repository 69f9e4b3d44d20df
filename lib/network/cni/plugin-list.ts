import * as z from 'zod';

/** A list of plugins as it is written down: of a network, and of each place in it. */
export const pluginList = z.strictObject({
  name: z.string(),
  versions: z.array(z.string()),
  disableCheck: z.boolean(),
  disableGC: z.boolean(),
  plugins: z.array(z.looseObject({ type: z.string(), capabilities: z.record(z.string(), z.boolean()).optional() })).min(1),
});

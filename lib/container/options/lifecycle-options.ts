import * as z from 'zod';
import { delay, text } from '../../options/common-schemas.js';

/** What a healthcheck's `test` may begin with, as docker has it. */
const TESTS = ['CMD', 'CMD-SHELL', 'NONE'];

const test = z
  .array(text)
  .refine(([kind]) => kind !== undefined && TESTS.includes(kind), "must begin with 'CMD' or 'CMD-SHELL', or be ['NONE']")
  .refine(
    ([kind, ...rest]) => (kind === 'NONE' ? rest.length === 0 : kind === 'CMD-SHELL' ? rest.length === 1 : rest.length > 0),
    "must be ['CMD', program, …], ['CMD-SHELL', line] or ['NONE']",
  );
/** No timer of docker's is shorter. */
const pause = delay.refine((ms) => ms >= 1, 'must be at least 1 ms');

/** The options that say what becomes of a container's program. */
export const lifecycleShape = {
  restart: z
    .strictObject({ on: z.enum(['failure', 'always']), maxRetries: z.int().min(1).max(1_000_000).optional() })
    .refine(({ on, maxRetries }) => on === 'failure' || maxRetries === undefined, {
      message: "is for on: 'failure'",
      path: ['maxRetries'],
    })
    .optional(),
  healthcheck: z
    .union(
      [
        z.literal('none'),
        z.strictObject({
          test,
          interval: pause.optional(),
          timeout: pause.optional(),
          startPeriod: delay.optional(),
          startInterval: pause.optional(),
          retries: z.int().min(1).max(1_000_000).optional(),
          then: z.enum(['none', 'kill', 'restart']).optional(),
        }),
      ],
      { error: (issue) => (typeof issue.input === 'object' ? undefined : "must be 'none' or { test, … }") },
    )
    .optional(),
};

const lifecycle = z.object(lifecycleShape);
export type CheckedLifecycle = z.output<typeof lifecycle>;

/** A healthcheck as it is given: what is missing is the image's, or docker's default. */
export type GivenHealthcheck = Exclude<CheckedLifecycle['healthcheck'], undefined>;

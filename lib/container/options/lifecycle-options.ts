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

export interface ParsedRestart {
  readonly on: 'failure' | 'always';
  /** `null`: without end. */
  readonly maxRetries: number | null;
}

/** A healthcheck as it is given: what is missing is the image's, or docker's default. */
export type GivenHealthcheck = Exclude<CheckedLifecycle['healthcheck'], undefined>;

export function parseRestart({ restart }: Pick<CheckedLifecycle, 'restart'>): ParsedRestart | null {
  return restart ? { on: restart.on, maxRetries: restart.maxRetries ?? null } : null;
}

/** Whether a container's program may be started again after its end. */
export function isRunAgain({
  restart,
  healthcheck,
}: {
  readonly restart?: unknown;
  readonly healthcheck?: GivenHealthcheck | null | undefined;
}): boolean {
  return Boolean(restart) || (typeof healthcheck === 'object' && healthcheck?.then === 'restart');
}

interface WithLifecycle extends CheckedLifecycle {
  readonly timeout?: number | undefined;
  readonly cpuTimeLimit?: number | undefined;
  readonly tty?: unknown;
  readonly autoRemove?: boolean | undefined;
}

/** What a program that is started again can't have: each belongs to one run. */
export function checkLifecycle<T extends WithLifecycle>(options: T, wrong: (option: keyof T & string, message: string) => void): void {
  const { restart } = options;
  if (!isRunAgain(options)) return;
  const what = restart ? 'restart' : "a healthcheck with then: 'restart'";
  for (const name of ['timeout', 'cpuTimeLimit'] as const) {
    if (options[name] !== undefined) wrong(name, `can't go with ${what}: it is the limit of one run`);
  }
  if (options.tty) wrong('tty', `can't go with ${what}: each run would have another terminal`);
  if (restart && options.autoRemove) wrong('autoRemove', "can't go with restart: the end of a run is not the container's end");
}

import type { CheckedLifecycle, GivenHealthcheck } from './lifecycle-options.js';

export interface ParsedRestart {
  readonly on: 'failure' | 'always';
  /** `null`: without end. */
  readonly maxRetries: number | null;
}

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

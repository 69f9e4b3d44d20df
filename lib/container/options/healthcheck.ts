import type { ImageHealthcheck } from '../../image/formats/image-config.js';
import type { GivenHealthcheck } from './lifecycle-options.js';

/** How a program's health is checked. Times in ms. */
export interface ParsedHealth {
  readonly argv: readonly string[];
  readonly interval: number;
  readonly timeout: number;
  readonly startPeriod: number;
  readonly startInterval: number;
  readonly retries: number;
  readonly then: 'none' | 'kill' | 'restart';
}

/** docker's. */
const DEFAULTS = { interval: 30_000, timeout: 30_000, startPeriod: 0, startInterval: 5_000, retries: 3, then: 'none' } as const;

/** The check as docker puts it together: what the caller leaves out is the image's. `null`: nobody keeps watch on the health. Pure. */
export function healthOf(given: GivenHealthcheck | null, image: ImageHealthcheck | undefined): ParsedHealth | null {
  if (given === 'none') return null;
  const { test, ...numbers } = { ...DEFAULTS, ...defined(image ?? {}), ...defined(given ?? {}) };
  const argv = argvOf(test ?? []);
  return argv === null ? null : { argv, ...numbers };
}

function argvOf([kind, ...rest]: readonly string[]): readonly string[] | null {
  if (kind === 'CMD' && rest.length > 0) return rest;
  if (kind === 'CMD-SHELL' && rest.length > 0) return ['/bin/sh', '-c', ...rest];
  return null;
}

/** Without the keys that are there and undefined. */
function defined<T extends object>(value: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(value).filter(([, part]) => part !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
}

import * as z from 'zod';
import * as json from './option-fields.js';

// What the fields of all options share.

/** A string that can be handed to the kernel: one NUL would end it early. */
export const text = json.string().refine((value) => !value.includes('\0'), 'must not contain a NUL byte');

/** A string that is not empty. */
export const word = text.refine((value) => value !== '', 'must not be empty');

/** A path from the root. PATH_MAX counts the NUL: 4,095 bytes (path_resolution(7)). */
export const absolutePath = text
  .refine((value) => value.startsWith('/'), "must be an absolute path: one that starts with '/'")
  .refine((value) => Buffer.byteLength(value) < 4096, 'must be at most 4095 bytes long');

/** An id of a user or group; 4,294,967,295 is the kernel's "no id" (setresuid(2)). */
export const id = json.int().min(0).max(0xfffffffe);

/** Milliseconds; 0 is no limit, as in child_process. A limit of 30 years keeps nanoseconds in 64 bits. */
export const duration = json.number().min(0).max(1e12);

/** A value of JavaScript that is none of JSON. */
export function custom<T>(is: (value: unknown) => value is T, problem: string): json.Field<T> {
  return new json.Field<T>(
    (value) => (is(value) ? value : json.WRONG),
    () => z.custom<T>(is, problem),
  );
}

/** Told by what it has, not by `instanceof`: see lib/errors.ts. */
export const abortSignal = custom(
  (value): value is AbortSignal =>
    typeof value === 'object' &&
    value !== null &&
    'aborted' in value &&
    'throwIfAborted' in value &&
    'addEventListener' in value &&
    typeof value.addEventListener === 'function',
  'must be an AbortSignal',
);

export function isFunction(value: unknown): value is (...args: never[]) => unknown {
  return typeof value === 'function';
}

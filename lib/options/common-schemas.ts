import { types } from 'node:util';
import * as z from 'zod';
import * as fields from './common-fields.js';

// What the schemas of all options share.

export const text = fields.text.schema();
export const word = fields.word.schema();
export const absolutePath = fields.absolutePath.schema();

export const id = fields.id.schema();

export const duration = fields.duration.schema();

/** Milliseconds that a timer of Node's waits: with a longer time it would not wait at all. */
export const delay = z
  .number()
  .min(0)
  .max(2 ** 31 - 1);

// Classes of Node's are told by what their objects are, not by `instanceof`: see lib/errors.ts.

export const bytes = z.custom<Uint8Array>((value) => types.isUint8Array(value), 'must be bytes: a Uint8Array');

export const date = z.custom<Date>((value) => types.isDate(value) && !Number.isNaN(value.getTime()), 'must be a Date');

export const abortSignal = fields.abortSignal.schema();

/** The schema of an object of ours, known by what it has: an instance of another copy of the module (ESM beside CJS) is as good. */
export function handle<T>(is: (value: object) => boolean, what: string): z.ZodType<T, T> {
  const error = `must be ${what}`;
  // in a union, the object is one of several values that would do
  return z.custom<T>((value) => typeof value === 'object' && value !== null && is(value), { error, params: { isHandle: true } });
}

/** Names of owners (lib/native): groups of containers are below them, so nobody else may be called so. */
const OWNER = /^[0-9a-f]{16}(?:\/|$)/;

/** The name of a cgroup below nacelle's own root: may be a path, can't climb. */
export const groupName = text.superRefine((value, context) => {
  const parts = value.split('/');
  if (parts.includes('')) context.addIssue('must be a name or a path of names, none of them empty');
  else if (parts.some((part) => part === '.' || part === '..')) context.addIssue("must not contain '.' or '..'");
  else if (parts.some((part) => Buffer.byteLength(part) > 255)) context.addIssue('must have names of at most 255 bytes');
  else if (value.includes('\n')) context.addIssue('must not contain a newline');
  else if (OWNER.test(value)) context.addIssue('must not begin with 16 hexadecimal digits: containers are kept below such names');
});

/** Whether the name in a handle of a group is valid: a handle that somebody made up can't climb by it either. */
export function isGroupName(value: unknown): boolean {
  return groupName.safeParse(value).success;
}

/** Lines of uid_map or gid_map (user_namespaces(7)). */
export const idMap = z.array(
  z.strictObject({
    inside: id,
    outside: id,
    count: z
      .int()
      .min(1)
      .max(2 ** 32 - 1),
  }),
);

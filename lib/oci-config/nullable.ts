import type { Field } from '../options/option-fields.js';
import * as json from '../options/option-fields.js';

/** A field that may be missing. Go writes null for a list, object or text that is not there. */
export function maybe<Out, In>(field: Field<Out, In>): Field<Out | undefined, In | null | undefined> {
  return field.nullish().transform((value) => value ?? undefined);
}

/** A list that may be missing: then it is empty. */
export function list<Out, In>(field: Field<Out, In>): Field<Out[], In[] | null | undefined> {
  return json
    .array(field)
    .nullish()
    .transform((value) => value ?? []);
}

/** Text for the kernel or a file. */
export const plain = json.string().refine((value) => !value.includes('\0'), 'must have no NUL');

/** A path that is absolute in the runtime's or the container's namespace. */
export const absolute = plain.refine((path) => path.startsWith('/'), 'must be an absolute path');

/** An id of a user or group; 2^32 - 1 is nobody's. */
export const id = json
  .int()
  .min(0)
  .max(2 ** 32 - 2);

/** A whole number that may be below zero: -1 is mostly no limit. */
export const signed = json.int();
export const unsigned = json.int().min(0);

// Schemas that many fields share: each that is made takes a command that begins with them some 10 µs.
export const maybeText = maybe(plain);
export const texts = list(plain);
export const maybeSigned = maybe(signed);
export const maybeUnsigned = maybe(unsigned);
export const maybeBoolean = maybe(json.boolean());

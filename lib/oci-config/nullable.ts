import * as z from 'zod';

/** A field that may be missing. Go writes null for a list, object or text that is not there. */
export function maybe<S extends z.ZodType>(schema: S): z.ZodType<z.output<S> | undefined, z.input<S> | null | undefined> {
  return schema.nullish().transform((value) => value ?? undefined);
}

/** A list that may be missing: then it is empty. */
export function list<S extends z.ZodType>(schema: S): z.ZodType<z.output<S>[], z.input<S>[] | null | undefined> {
  return z
    .array(schema)
    .nullish()
    .transform((value) => value ?? []);
}

/** Text for the kernel or a file. */
export const plain = z.string().refine((value) => !value.includes('\0'), 'must have no NUL');

/** A path that is absolute in the runtime's or the container's namespace. */
export const absolute = plain.refine((path) => path.startsWith('/'), 'must be an absolute path');

/** An id of a user or group; 2^32 - 1 is nobody's. */
export const id = z
  .int()
  .min(0)
  .max(2 ** 32 - 2);

/** A whole number that may be below zero: -1 is mostly no limit. */
export const signed = z.int();
export const unsigned = z.int().min(0);

// Schemas that many fields share: each that is made takes a command that begins with them some 10 µs.
export const maybeText = maybe(plain);
export const texts = list(plain);
export const maybeSigned = maybe(signed);
export const maybeUnsigned = maybe(unsigned);
export const maybeBoolean = maybe(z.boolean());

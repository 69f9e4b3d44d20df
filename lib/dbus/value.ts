/** A value of any type, with its type. */
export interface Variant {
  readonly signature: string;
  readonly value: Value;
}

/**
 * A value as JavaScript has it: numbers up to 32 bits and doubles as `number`, those of 64 bits as `bigint`; strings, object paths and signatures as
 * `string`; arrays, structs and entries of dictionaries as lists.
 */
export type Value = number | bigint | boolean | string | readonly Value[] | Variant;

export function isList(value: Value): value is readonly Value[] {
  return Array.isArray(value);
}

export function isVariant(value: Value): value is Variant {
  return typeof value === 'object' && !isList(value);
}

/** An object path: '/', or names of letters, digits and '_' that each follow a '/'. */
export function isObjectPath(text: string): boolean {
  return /^\/(?:[A-Za-z0-9_]+(?:\/[A-Za-z0-9_]+)*)?$/.test(text);
}

/** Bytes of an array, and how deep values may lie in each other, variants included, by the specification. */
export const LONGEST_ARRAY = 64 * 1024 ** 2;
export const DEEPEST_VALUE = 64;

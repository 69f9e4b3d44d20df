import * as z from 'zod';
import { Field, WRONG } from './option-fields.js';

/** Bytes, or a docker string: '512k', '256m', '1.5g'; units are powers of 1,024, a following 'b' or 'ib' changes nothing. */
export type Size = number | string;

const POWERS = { '': 0, k: 1, m: 2, g: 3, t: 4, p: 5 } as const;
const PATTERN = /^(\d+(?:\.\d+)?)(?: ?(?:([kmgtp])(?:i?b)?|b))?$/i;

/** Bytes of a size, or `undefined` when it is none. Parts of a byte are dropped, as docker does. */
function toBytes(value: Size): number | undefined {
  if (typeof value === 'number') return Number.isSafeInteger(value) && value >= 0 ? value : undefined;
  const match = PATTERN.exec(value);
  if (!match) return undefined;
  const power = POWERS[(match[2] ?? '').toLowerCase() as keyof typeof POWERS];
  const bytes = Math.floor(Number(match[1]) * 1024 ** power);
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}

const PROBLEM = "must be a size: bytes as a whole number, or a string such as '512k', '256m', '1.5g'";

/** A size of at least `min` bytes; its output is bytes. */
export function sizeSchema(min = 0): z.ZodType<number, Size> {
  return z.union([z.number(), z.string()], { error: PROBLEM }).transform((value, context) => {
    const bytes = toBytes(value);
    if (bytes === undefined || bytes < min) {
      context.addIssue(bytes === undefined ? `${PROBLEM}, not ${JSON.stringify(value)}` : `must be at least ${min} bytes`);
      return z.NEVER;
    }
    return bytes;
  });
}

/** The same as {@link sizeSchema}. */
export function size(min = 0): Field<number, Size> {
  const read = (value: unknown) => {
    const bytes = typeof value === 'number' || typeof value === 'string' ? toBytes(value) : undefined;
    return bytes === undefined || bytes < min ? WRONG : bytes;
  };
  return new Field<number, Size>(read, () => sizeSchema(min));
}

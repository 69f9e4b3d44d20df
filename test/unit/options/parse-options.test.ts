import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { limitsSchema } from '../../../lib/options/limits-schema.js';
import { nearest, parseOptions } from '../../../lib/options/parse-options.js';

const schema = z.strictObject({
  memory: z.number().optional(),
  inner: z.strictObject({ first: z.string() }).optional(),
  either: z.union([z.number(), z.strictObject({ soft: z.number() })]).optional(),
  one: z
    .union([z.strictObject({ file: z.string() }), z.strictObject({ log: z.string() })], { error: 'must be { file } or { log }' })
    .optional(),
  list: z
    .array(z.enum(['one', 'two']))
    .min(1)
    .optional(),
});

const message = (value: unknown): string => {
  try {
    parseOptions(schema, value, 'limits');
  } catch (error) {
    return error instanceof Error ? error.message : '';
  }
  return '';
};

describe('parseOptions', () => {
  it('gives back what the schema makes of it', () => {
    expect(parseOptions(limitsSchema, { memory: '4k' }, 'limits')).toEqual({ memory: 4096 });
  });

  it.each([
    [null, 'option limits: must be an object, not null'],
    [{ memroy: 1 }, "option memroy: is unknown; did you mean 'memory'?"],
    [{ zzzzzzzz: 1 }, 'option zzzzzzzz: is unknown'],
    [{ inner: { frist: 'x', first: 'y' } }, "option inner.frist: is unknown; did you mean 'first'?"],
    [{ inner: {} }, 'option inner.first: is missing: a string is needed'],
    [{ either: { soft: 'x' } }, 'option either.soft: must be a number, not "x"'],
    [{ either: true }, 'option either: must be a number, not true, or must be an object, not true'],
    [{ one: { log: 1 } }, 'option one.log: must be a string, not 1'],
    [{ one: { line: 'x' } }, 'option one: must be { file } or { log }'],
    [{ list: ['one', 'tow'] }, "option list[1]: must be one of 'one', 'two', not \"tow\"; did you mean 'two'?"],
    [{ list: [] }, 'option list: must be at least 1 items long'],
    [{ memory: 'x', inner: 3 }, 'option memory: must be a number, not "x"; option inner: must be an object, not 3'],
  ])('%j', (value, expected) => expect(message(value)).toBe(expected));
});

describe('nearest', () => {
  const known = ['memory', 'memorySwap', 'cpus', 'cpuQuota', 'readOnly', 'net', 'timeout'];
  it.each([
    ['memori', 'memory'],
    ['MEMORY', 'memory'],
    ['memoryLimit', 'memory'],
    ['network', 'net'],
    ['timeoutMs', 'timeout'],
    ['quux', undefined],
    ['constructor', undefined],
  ])('%s: %s', (name, right) => expect(nearest(name, known)).toBe(right));

  it('knows nothing of nothing', () => expect(nearest('a', [])).toBeUndefined());
});

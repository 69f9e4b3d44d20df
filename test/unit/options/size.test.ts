import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseOptions } from '../../../lib/options/parse-options.js';
import { type Size, sizeSchema } from '../../../lib/options/size.js';

const parseSize = (value: Size): number => parseOptions(sizeSchema(), value, 'memory');

const UNITS = { '': 1n, b: 1n, k: 1n << 10n, m: 1n << 20n, g: 1n << 30n, t: 1n << 40n, p: 1n << 50n };

describe('a size', () => {
  it.each([
    ['0', 0],
    ['100b', 100],
    ['512k', 524_288],
    ['256m', 268_435_456],
    ['256MB', 268_435_456],
    ['256 MiB', 268_435_456],
    ['1.5g', 1_610_612_736],
    ['0.3k', 307],
    [4096, 4096],
  ])('%s', (value, bytes) => expect(parseSize(value)).toBe(bytes));

  it.each([
    '',
    ' ',
    '-1',
    '+1',
    '1e3',
    '1.m',
    '.5m',
    '1mm',
    '1bb',
    '1 0',
    ' 1',
    '1 ',
    '0x10',
    '١',
    'm',
    '1ib',
    '9007199254740993',
    '9p',
    -1,
    1.5,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    2 ** 53,
  ])('refuses %j', (value) => expect(() => parseSize(value)).toThrow(/^option memory: must be a size/));

  it('agrees with whole numbers of bigints', () => {
    const unit = fc.constantFrom(...(Object.keys(UNITS) as (keyof typeof UNITS)[]));
    fc.assert(
      fc.property(fc.nat(), unit, fc.constantFrom('', 'b', 'ib'), fc.boolean(), (n, u, tail, upper) => {
        const written = `${n}${u}${u === '' || u === 'b' ? '' : tail}`;
        const bytes = BigInt(n) * UNITS[u];
        fc.pre(bytes <= BigInt(Number.MAX_SAFE_INTEGER));
        expect(parseSize(upper ? written.toUpperCase() : written)).toBe(Number(bytes));
      }),
    );
  });
});

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { lineOf, readJson } from '../../../lib/oci-config/lined-json.js';

const parsed = (text: string): unknown => {
  const read = readJson(text);
  return 'value' in read ? read.value : expect.fail(read.problem);
};

/** As JSON.parse has large numbers. */
const rounded = (value: unknown): unknown =>
  JSON.parse(JSON.stringify(value, (_, part: unknown) => (typeof part === 'bigint' ? Number(part) : part)));

describe('readJson', () => {
  it('reads what JSON.parse reads', () => {
    fc.assert(
      fc.property(fc.json(), fc.constantFrom(undefined, 2, '\t'), (text, space) => {
        const value: unknown = JSON.parse(text);
        expect(rounded(parsed(JSON.stringify(value, null, space)))).toEqual(value);
      }),
    );
  });

  it('refuses what JSON.parse refuses', () => {
    fc.assert(
      fc.property(
        fc.json(),
        fc.nat(),
        fc.constantFrom('', '"', '\\', '{', '}', ']', ',', ':', '0', '-', '.', 'e', '\n', 'x'),
        (text, at, put) => {
          const cut = at % (text.length + 1);
          const changed = text.slice(0, cut) + put + text.slice(cut + 1);
          let isJson = true;
          try {
            JSON.parse(changed);
          } catch {
            isJson = false;
          }
          const read = readJson(changed);
          // JSON.parse takes the last of a key's values.
          fc.pre(!('problem' in read && read.problem.endsWith('twice')));
          expect([changed, 'value' in read]).toEqual([changed, isJson]);
        },
      ),
      { numRuns: 500 },
    );
  });

  it('keeps whole numbers exact', () => {
    expect(parsed('[9007199254740991, 9007199254740992, 18446744073709551615, -0.5, 1e3]')).toEqual([
      ...[9007199254740991, 9007199254740992n, 18446744073709551615n, -0.5, 1000],
    ]);
    expect(parsed(`[${'9'.repeat(1_000_000)}, 999999999999999999999]`)).toEqual([Number.POSITIVE_INFINITY, 1e21]);
  });

  it.each([
    ['{\n"a": 1,\n"a": 2}', 'has the key "a" twice', 3],
    ['{\n"a": [1,\n\n]}', 'is no JSON from "]" on', 4],
    ['{"a": "b\nc"}', 'has a text that is no JSON', 1],
    ['{"a": "b', 'has a text without an end', 1],
    ['\n\n{"a": 1', 'ends too early', 3],
    ['', 'ends too early', 1],
    ['{} x', 'is no JSON from "x" on', 1],
    ['\n'.repeat(3) + '['.repeat(102) + ']'.repeat(102), 'is nested deeper than 100 levels', 4],
    ['['.repeat(5_000_000), 'is nested deeper than 100 levels', 1],
  ])('says what is wrong with %.30j', (text, problem, line) => {
    expect(readJson(text)).toEqual({ problem, line });
  });

  it('reads long texts', () => {
    const long = JSON.stringify(`${'a"'.repeat(2_000_000)}`);
    expect(parsed(long)).toHaveLength(4_000_000);
    expect(readJson(long.slice(0, -1))).toMatchObject({ problem: 'has a text without an end' });
  });

  it('makes no object another one by a key', () => {
    const value = parsed('{"__proto__": {"a": 1}}');
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
    expect(Object.keys(value as object)).toEqual(['__proto__']);
  });
});

describe('lineOf', () => {
  const text = '{\n  "a": [\n    1,\n    { "b":\n      2 }\n  ],\n  "c": 3\n}';

  it.each([
    [['a'], 2],
    [['a', 0], 3],
    [['a', 1, 'b'], 5],
    [['c'], 7],
    [[], 1],
    [['a', 1, 'missing'], 4],
    [['missing'], 1],
  ] as const)('finds %j', (path, line) => {
    expect(lineOf(text, path)).toBe(line);
  });
});

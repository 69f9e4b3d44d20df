import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Assembler } from '../../../lib/security/bpf.js';
import { emitSearch } from '../../../lib/security/number-search.js';
import { runFilter } from './interpreter.js';

/** How many numbers a span has, and the value that the filter is to return for them. */
type Part = readonly [count: number, value: number];

/** A filter that finds the spans, which lie one behind the other from 0; the last has no end. */
function compile(parts: readonly Part[]): Uint8Array {
  const assembler = new Assembler();
  const labels = new Map(parts.map(([, value]) => [value, assembler.label()]));
  let from = 0;
  const spans = parts.map(([count, value], index) => {
    const end = index === parts.length - 1 ? Number.POSITIVE_INFINITY : from + count;
    const span = { from, end, label: labels.get(value) ?? 0 };
    from += count;
    return span;
  });
  assembler.load(0);
  emitSearch(assembler, spans);
  for (const [value, label] of labels) {
    assembler.place(label);
    assembler.ret(value);
  }
  return assembler.assemble();
}

const verdictOn = (filter: Uint8Array, nr: number): number => runFilter(filter, { arch: 0, nr }).verdict;

/** How many comparisons the search has. */
const comparisons = (parts: readonly Part[]): number => compile(parts).byteLength / 8 - 1 - new Set(parts.map(([, value]) => value)).size;

describe('emitSearch', () => {
  it('finds the span of every number', () => {
    const count = fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 12 }));
    const parts = fc.array(fc.tuple(count, fc.integer({ min: 0, max: 3 })), { minLength: 1, maxLength: 60 });
    fc.assert(
      fc.property(parts, (parts) => {
        const filter = compile(parts);
        const expected = parts.flatMap(([count, value]) => Array<number>(count).fill(value));
        expect(expected.map((_, nr) => verdictOn(filter, nr))).toEqual(expected);
        const last = expected.at(-1);
        expect([expected.length, 0x3fff_ffff, 0xffff_ffff].map((nr) => verdictOn(filter, nr))).toEqual([last, last, last]);
      }),
      { numRuns: 500 },
    );
  });

  // A letter a number, a span of one letter each.
  it.each([
    ['single numbers, by one comparison each', '...a...ba...', 3],
    ['one at the start', 'a...', 1],
    ['a run, by its edges', '...aaaa...', 2],
    ['single numbers and a run, without parting the former', '...a...a....bbb....', 4],
    ['more single numbers than one chain takes', `${'...a'.repeat(8)}...`, 8 + 1],
  ])('finds %s', (_, numbers, expected) => {
    const parts = (numbers.match(/(.)\1*/g) ?? []).map((run): Part => [run.length, run.charCodeAt(0)]);
    expect(comparisons(parts)).toBe(expected);
  });
});

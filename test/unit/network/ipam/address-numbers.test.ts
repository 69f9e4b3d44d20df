import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { numbersAfter } from '../../../../lib/network/ipam/address-numbers.js';

const range = { first: 1n, last: 6n, gateway: 1n };
const following = (before: bigint | null, of = range) => [...numbersAfter(before, of)].map(Number);

describe('the numbers after one', () => {
  it('begin at the first, without the gateway', () => {
    expect(following(null)).toEqual([2, 3, 4, 5, 6]);
  });

  it('go on after the one given last, and round', () => {
    expect(following(4n)).toEqual([5, 6, 2, 3, 4]);
    expect(following(6n)).toEqual([2, 3, 4, 5, 6]);
  });

  it('begin anew where the one given last is none of the range', () => {
    expect(following(9n)).toEqual([2, 3, 4, 5, 6]);
    expect(following(1n, { first: 3n, last: 5n, gateway: 1n })).toEqual([3, 4, 5]);
  });

  it('are none where the gateway has the only one', () => {
    expect(following(null, { first: 1n, last: 1n, gateway: 1n })).toEqual([]);
  });

  it('are all of the range, each once, whatever came before', () => {
    const numbers = fc.record({ first: fc.nat(50), size: fc.nat(50), gateway: fc.nat(120), before: fc.option(fc.nat(120)) });
    fc.assert(
      fc.property(numbers, ({ first, size, gateway, before }) => {
        const of = { first: BigInt(first), last: BigInt(first + size), gateway: BigInt(gateway) };
        const found = following(before === null ? null : BigInt(before), of);
        const all = Array.from({ length: size + 1 }, (_, more) => first + more).filter((number) => number !== gateway);
        expect([...found].sort((a, b) => a - b)).toEqual(all);
      }),
    );
  });
});

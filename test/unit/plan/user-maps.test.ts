import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkIdMap, encodeIdMap, idInside, idOutside, singleMap } from '../../../lib/plan/user-maps.js';

describe('id maps', () => {
  it('are written a line a range', () => {
    const map = [
      { inside: 0, outside: 1000, count: 1 },
      { inside: 1, outside: 100_000, count: 65_536 },
    ];
    expect(Buffer.from(encodeIdMap(map)).toString()).toBe('0 1000 1\n1 100000 65536\n');
  });

  it('map one user as root', () => {
    expect(singleMap(1000)).toEqual([{ inside: 0, outside: 1000, count: 1 }]);
  });

  it.each([
    ['nothing', [], 'at least one'],
    [
      'overlapping inside',
      [
        { inside: 0, outside: 0, count: 10 },
        { inside: 9, outside: 100, count: 1 },
      ],
      'overlap inside',
    ],
    [
      'overlapping outside',
      [
        { inside: 0, outside: 5, count: 10 },
        { inside: 10, outside: 0, count: 6 },
      ],
      'overlap outside',
    ],
    ['past the last id', [{ inside: 0, outside: 4294967294, count: 2 }], 'past the last id'],
    ['too many', Array.from({ length: 341 }, (_, i) => ({ inside: i, outside: i, count: 1 })), 'at most 340'],
  ] as const)('%s: refused', (_, map, problem) => {
    expect(() => checkIdMap('uidMap', map)).toThrow(problem);
    expect(() => checkIdMap('uidMap', map)).toThrow('uidMap');
  });

  it('may touch, in any order', () => {
    const map = [
      { inside: 10, outside: 0, count: 5 },
      { inside: 0, outside: 5, count: 10 },
    ];
    expect(() => checkIdMap('uidMap', map)).not.toThrow();
  });

  it('say of each id what it is on the other side, and of no other', () => {
    // gaps and counts of ranges on both sides, so that none overlap
    const gap = fc.integer({ min: 0, max: 3 });
    const ranges = fc.array(fc.tuple(gap, gap, fc.integer({ min: 1, max: 4 })), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(ranges, (given) => {
        let [inside, outside] = [0, 100];
        const map = given.map(([before, beyond, count]) => {
          const range = { inside: inside + before, outside: outside + beyond, count };
          [inside, outside] = [range.inside + count, range.outside + count];
          return range;
        });
        const pairs = map.flatMap(({ inside, outside, count }) =>
          Array.from({ length: count }, (_, i) => [inside + i, outside + i] as const),
        );
        const [outer, inner] = [new Map(pairs), new Map(pairs.map(([inside, outside]) => [outside, inside]))];
        for (let id = 0; id <= inside; id++) expect(idOutside(map, id)).toBe(outer.get(id) ?? null);
        for (let id = 99; id <= outside; id++) expect(idInside(map, id)).toBe(inner.get(id) ?? null);
      }),
    );
  });
});

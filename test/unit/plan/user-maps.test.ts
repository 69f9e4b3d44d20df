import { describe, expect, it } from 'vitest';
import { checkIdMap, encodeIdMap, singleMap } from '../../../lib/plan/user-maps.js';

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
});

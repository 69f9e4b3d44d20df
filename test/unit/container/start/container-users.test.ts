import { describe, expect, it } from 'vitest';
import { parseRunOptions } from '../../../../lib/container/options/container-options.js';
import { rangeMap, requireUsers } from '../../../../lib/container/start/container-users.js';
import { parseIdMap } from '../../../../lib/container/start/maps-of.js';
import { checkIdMap, singleMap } from '../../../../lib/plan/user-maps.js';

const options = (more: object) => parseRunOptions({ image: 'host', command: ['true'], ...more });
const user = { kind: 'user', uid: singleMap(1000), gid: singleMap(1000), whyOne: null, trouble: null } as const;

describe('a user without root', () => {
  it.each([
    ['userns', { userns: 'auto' }],
    ['userns', { userns: 'keep-id', user: '1000' }],
    ['userns', { userns: { uid: singleMap(1000), gid: singleMap(1000) } }],
  ])('is refused %s of his choice', (name, given) => {
    const refused = { name: 'UnsupportedError', message: expect.stringContaining(`${name} is not supported here: this user's containers`) };
    expect(() => requireUsers(options(given), user)).toThrow(expect.objectContaining(refused));
    expect(() => requireUsers(options(given), { kind: 'root' })).not.toThrow();
  });

  it('may say that it is the usual one', () => {
    for (const given of [
      {},
      { userns: 'host' },
      { namespaces: { user: 'host' } },
      { namespaces: { user: { fd: 30, inode: 1n, type: 'user' } } },
    ])
      expect(() => requireUsers(options(given), user)).not.toThrow();
  });
});

describe('the map of a leased range', () => {
  const START = 100_000;
  const outside = (map: ReturnType<typeof rangeMap>, id: number) => {
    const range = map.find(({ inside, count }) => inside <= id && id < inside + count);
    return range && range.outside + id - range.inside;
  };

  it('has each id at its place, but for one that is itself', () => {
    expect(rangeMap(START)).toEqual([{ inside: 0, outside: START, count: 65_536 }]);
    for (const kept of [1, 1000, 65_535, 65_536, 2_000_000]) {
      const map = rangeMap(START, kept);
      checkIdMap('map', map);
      expect(outside(map, kept)).toBe(kept);
      for (const id of [0, 2, 999, 1001, 65_534]) expect(outside(map, id)).toBe(START + id);
      expect(outside(map, 65_536)).toBe(kept === 65_536 ? kept : undefined);
    }
  });

  it('is read as the kernel writes it', () => {
    expect(parseIdMap('         0     100000       1000\n      1000       1000          1\n')).toEqual([
      { inside: 0, outside: 100_000, count: 1000 },
      { inside: 1000, outside: 1000, count: 1 },
    ]);
    expect(parseIdMap('')).toEqual([]);
  });
});

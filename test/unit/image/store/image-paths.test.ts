import fc from 'fast-check';
import { expect, it } from 'vitest';
import { MAP_NAME, mapName } from '../../../../lib/image/store/image-paths.js';
import type { IdMap } from '../../../../lib/plan/user-maps.js';

const range = fc.record({ inside: fc.nat(), outside: fc.nat(), count: fc.integer({ min: 1 }) });
const map: fc.Arbitrary<IdMap[]> = fc.array(range, { minLength: 1, maxLength: 4 });
const user = (uid: readonly IdMap[], gid: readonly IdMap[]) => ({ kind: 'user', uid, gid, whyOne: null, trouble: null }) as const;

it('root has layers for no map', () => {
  expect(mapName({ kind: 'root' })).toBeNull();
});

it('two maps have one name when they are the same, and a name is part of a path', () => {
  fc.assert(
    fc.property(map, map, map, map, (uid, gid, uid2, gid2) => {
      const [one, other] = [mapName(user(uid, gid)), mapName(user(uid2, gid2))];
      expect(one).toMatch(new RegExp(`^${MAP_NAME}[0-9a-f]{32}$`));
      expect(one === other).toBe(JSON.stringify([uid, gid]) === JSON.stringify([uid2, gid2]));
      // two random maps are hardly ever equal, so each of the two differs alone too
      expect(mapName(user(uid, gid2)) === one).toBe(JSON.stringify(gid) === JSON.stringify(gid2));
      expect(mapName(user(uid2, gid)) === one).toBe(JSON.stringify(uid) === JSON.stringify(uid2));
      expect(mapName(user(structuredClone(uid), structuredClone(gid)))).toBe(one);
    }),
  );
});

import { describe, expect, it } from 'vitest';
import { idsInside } from '../../../../lib/container/start/joined-users.js';
import { singleMap } from '../../../../lib/plan/user-maps.js';

const map = [
  { inside: 0, outside: 1000, count: 1 },
  { inside: 1, outside: 100_000, count: 65_536 },
];
const own = { kind: 'user', uid: map, gid: map, whyOne: null, trouble: null } as const;
const gid = singleMap(1000);

describe('the ids of a user namespace that a container joins', () => {
  it("are those that this user's containers have", () => {
    expect(idsInside({ uid: map, gid }, own)).toEqual({
      uid: [
        { inside: 0, outside: 0, count: 1 },
        { inside: 1, outside: 1, count: 65_536 },
      ],
      gid: [{ inside: 0, outside: 0, count: 1 }],
    });
  });

  it.each([
    ['others', { uid: [{ inside: 0, outside: 100_000, count: 1 }], gid }, 'its uid 0 is another id'],
    ["another user's", { uid: [{ inside: 0, outside: 1001, count: 1 }], gid }, 'its uid 0 is another id'],
    ['more than there are', { uid: [{ inside: 1, outside: 100_000, count: 65_537 }], gid }, 'its uid 1 is another id'],
    ['none that is root', { uid: [{ inside: 1, outside: 100_000, count: 5 }], gid }, 'it has no root'],
  ])('are not %s', (_, maps, reason) => {
    expect(() => idsInside(maps, own)).toThrow(
      expect.objectContaining({ name: 'UnsupportedError', reason: expect.stringContaining(reason) }),
    );
  });
});

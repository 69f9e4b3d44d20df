import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type SubordinateFacts, userIds } from '../../../lib/host/subordinate-ids.js';

const facts = (
  changes: Partial<Omit<SubordinateFacts, 'subuid' | 'subgid'>> & { subuid?: string; subgid?: string } = {},
): SubordinateFacts => ({
  uid: 1000,
  gid: 100,
  name: 'ann',
  hasPrograms: true,
  gainsNothing: false,
  ...changes,
  subuid: { path: '/etc/subuid', text: changes.subuid ?? 'ann:100000:65536\n' },
  subgid: { path: '/etc/subgid', text: changes.subgid ?? 'ann:200000:65536\n' },
});

const one = { uid: [{ inside: 0, outside: 1000, count: 1 }], gid: [{ inside: 0, outside: 100, count: 1 }] };

describe('the ids of a user', () => {
  it('are his own as root, then those that were given to him', () => {
    expect(userIds(facts())).toEqual({
      uid: [...one.uid, { inside: 1, outside: 100_000, count: 65_536 }],
      gid: [...one.gid, { inside: 1, outside: 200_000, count: 65_536 }],
      whyOne: null,
    });
  });

  it('are of all his lines, by name and number, and of nobody else', () => {
    const subuid = '# given by hand\nbob:5000:10\nann:100000:10\n\n1000:300000:5\nanna:1:1\n';
    expect(userIds(facts({ subuid })).uid).toEqual([
      ...one.uid,
      { inside: 1, outside: 100_000, count: 10 },
      { inside: 11, outside: 300_000, count: 5 },
    ]);
  });

  it.each([
    ['no line', { subuid: '', subgid: '' }, 'this user has no subordinate ids in /etc/subuid and /etc/subgid', /usermod/],
    ['a line in one file alone', { subgid: '' }, 'this user has no subordinate ids in /etc/subgid', /usermod/],
    ['no name', { name: null, subuid: '1000:1:9', subgid: '1000:1:9' }, expect.stringContaining('no name'), /passwd/],
    ['no programs', { hasPrograms: false }, 'newuidmap and newgidmap are not in PATH', /uidmap/],
    ['no_new_privs', { gainsNothing: true }, expect.stringContaining('no_new_privs'), /no_new_privs/],
  ])('are one with %s, and say why', (_, changes, reason, fix) => {
    expect(userIds(facts(changes))).toEqual({ ...one, whyOne: { reason, fix: expect.stringMatching(fix) } });
  });

  it.each([
    ['a number that is none', 'ann:10x:1', /^subordinate ids is not supported here: \/etc\/subuid, line 2, is no range: "ann:10x:1"/],
    ['no count', 'ann:10', /line 2/],
    ['none at all', 'ann:10:0', /line 2/],
    ['root', 'ann:0:10', /line 2/],
    ['ids past the last one', 'ann:4294967295:2', /line 2/],
    ['ids that overlap', 'ann:100000:10\nann:100005:10', /overlap at 100005/],
    ['his own id', 'ann:990:20', /overlap at 1000/],
  ])('are refused with a line of his that has %s', (_, line, message) => {
    expect(() => userIds(facts({ subuid: `bob:1:1\n${line}\n` }))).toThrow(message);
  });

  it("are not hindered by others' lines, whatever these are", () => {
    expect(userIds(facts({ subuid: 'bob:x:y\n:::\nann:100000:65536\nbob:100000' })).whyOne).toBeNull();
  });

  it('map each id once, whatever the ranges are', () => {
    const range = fc.record({ start: fc.integer({ min: 2000, max: 1_000_000 }), count: fc.integer({ min: 1, max: 500 }) });
    fc.assert(
      fc.property(fc.array(range, { minLength: 1, maxLength: 20 }), (ranges) => {
        const subuid = ranges.map(({ start, count }) => `ann:${start}:${count}\n`).join('');
        const sorted = [...ranges].sort((a, b) => a.start - b.start);
        const overlap = sorted.some(({ start, count }, i) => (sorted[i + 1]?.start ?? Number.POSITIVE_INFINITY) < start + count);
        if (overlap) {
          expect(() => userIds(facts({ subuid }))).toThrow(/overlap/);
          return;
        }
        const { uid } = userIds(facts({ subuid }));
        const pairs = uid.flatMap(({ inside, outside, count }) =>
          Array.from({ length: count }, (_, i) => [inside + i, outside + i] as const),
        );
        expect(pairs.map(([inside]) => inside)).toEqual(pairs.map((_, i) => i));
        expect(new Set(pairs.map(([, outside]) => outside)).size).toBe(pairs.length);
      }),
    );
  });
});

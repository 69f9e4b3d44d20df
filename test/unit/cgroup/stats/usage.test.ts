import { describe, expect, it } from 'vitest';
import { blameOom, countersSince, isCounter, readCounters, usageFiles } from '../../../../lib/cgroup/stats/usage.js';

const MiB = 1024 ** 2;
const read = (files: Record<string, string>) => (controller: string, file: string) => files[`${controller}/${file}`] ?? null;

describe('what was counted', () => {
  it('on v1', () => {
    const files = {
      'memory/memory.oom_control': 'oom_kill_disable 0\nunder_oom 0\noom_kill 3\n',
      'pids/pids.events': 'max 7\n',
    };
    expect(readCounters(read(files))).toEqual({ oomKills: 3, ownOoms: null, forksRefused: 7 });
  });

  it('on v2', () => {
    const files = {
      'memory/memory.events': 'low 0\nhigh 0\nmax 9\noom 4\noom_kill 5\noom_group_kill 0\n',
      'memory/memory.events.local': 'low 0\nhigh 0\nmax 2\noom 1\noom_kill 5\n',
    };
    expect(readCounters(read(files))).toEqual({ oomKills: 5, ownOoms: 1, forksRefused: 0 });
  });

  it.each([1, 2] as const)('in the files that are said to count, of v%i', (version) => {
    const asked: string[] = [];
    readCounters((controller, file) => {
      asked.push(`${controller}/${file}`);
      return null;
    });
    const files = usageFiles(() => version);
    const counting = files.filter(isCounter).map(({ controller, path }) => `${controller}/${path}`);
    expect(counting.length).toBeGreaterThan(1);
    expect(counting).toEqual(files.map(({ controller, path }) => `${controller}/${path}`).filter((file) => asked.includes(file)));
  });

  it('where nothing counts', () => expect(readCounters(read({}))).toEqual({ oomKills: 0, ownOoms: null, forksRefused: 0 }));

  it('between two looks', () => {
    const before = { oomKills: 1, ownOoms: 1, forksRefused: 2 };
    expect(countersSince(before, { oomKills: 3, ownOoms: 1, forksRefused: 2 })).toEqual({ oomKills: 2, ownOoms: 0, forksRefused: 0 });
    expect(countersSince({ ...before, ownOoms: null }, { ...before, ownOoms: null }).ownOoms).toBe(null);
  });
});

describe('whose memory ran out', () => {
  const own = { oomKills: 2, oomKillsOfParent: 0 };
  const above = { oomKills: 0, oomKillsOfParent: 2 };
  const v1 = { oomKills: 2, ownOoms: null, forksRefused: 0 };

  it.each([
    ['v2 tells: its own, far below its peak', { ...v1, ownOoms: 1 }, 64 * MiB, 1 * MiB, own],
    ['v2 tells: not its own, at its limit', { ...v1, ownOoms: 0 }, 64 * MiB, 64 * MiB, above],
    ['v1, at the limit', v1, 64 * MiB, 64 * MiB, own],
    ['v1, a huge page below the limit', v1, 64 * MiB, 62 * MiB, own],
    ['v1, far below the limit', v1, 64 * MiB, 50 * MiB, above],
    ['v1, a limit smaller than a huge page', v1, 1 * MiB, MiB / 4, above],
    ['v1, without a limit', v1, null, 64 * MiB, above],
    ['v1, without a peak', v1, 64 * MiB, null, own],
  ])('%s', (_, counters, limit, peak, blamed) => expect(blameOom(counters, { limit, peak })).toEqual(blamed));
});

import { describe, expect, it } from 'vitest';
import { detachedLayout } from '../../../lib/host/detached-layout.js';
import { groupLayoutOf, hybrid, systemd, v1 } from '../cgroup/machines.js';

describe('where detached containers go', () => {
  it('is where others go, outside the units of systemd', () => {
    const own = groupLayoutOf(hybrid);
    for (const isRoot of [true, false])
      expect(detachedLayout(own, isRoot)).toMatchObject({ layout: own, moved: [], feature: { available: true } });
  });

  it.each([
    ['a user service', systemd, '/user.slice/user-1000.slice/user@1000.service'],
    ['a job on v1', v1, '/system.slice/my:job.service'],
  ])('stays in the unit of this process for another user than root, and says so: %s', (_, machine, unit) => {
    const own = groupLayoutOf(machine);
    const { layout, moved, feature } = detachedLayout(own, false);
    expect({ layout, moved }).toEqual({ layout: own, moved: [] });
    expect(feature).toMatchObject({ available: false, reason: expect.stringContaining(unit), fix: expect.any(String) });
  });
});

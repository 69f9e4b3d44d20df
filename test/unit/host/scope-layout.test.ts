import { describe, expect, it } from 'vitest';
import type { GroupLayout } from '../../../lib/host/cgroup-base.js';
import { wantsScope } from '../../../lib/host/scope-layout.js';
import { groupLayoutOf, hybrid, systemd } from '../cgroup/machines.js';

/** The layout of a machine for a process in a group of which nobody has handed anything over. */
function inGroup(machine: typeof systemd, group: string): GroupLayout {
  const own = groupLayoutOf(machine);
  if (!own.unified) throw new Error('no unified tree');
  const { mountPoint } = own.unified;
  const none = { path: null, reason: 'none', fix: null };
  return { ...own, unified: { ...own.unified, ownPath: `${mountPoint}${group}` }, bases: new Map([[mountPoint, none]]) };
}

describe('a scope for containers with limits', () => {
  const session = inGroup(systemd, '/user.slice/user-1000.slice/session-3.scope');

  it('is wanted by a user in a login session', () => {
    expect(wantsScope(session, false)).toBe(true);
    expect(wantsScope(session, true)).toBe(false);
  });

  it.each([
    ['in a service, whose limits are to hold', inGroup(systemd, '/user.slice/user-1000.slice/user@1000.service/app.slice/job.service')],
    ['in another scope', inGroup(systemd, '/user.slice/user-1000.slice/user@1000.service/app.slice/run-u1.scope')],
    ['outside the units of systemd', inGroup(systemd, '/docker/12')],
    ['beside v1', inGroup(hybrid, '/user.slice/user-1000.slice/session-3.scope')],
    ['where groups can be made', { ...session, bases: new Map([[session.unified?.mountPoint ?? '', { path: '/there' }]]) }],
  ])('is not wanted %s', (_, layout) => expect(wantsScope(layout, false)).toBe(false));
});

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { chooseUnifiedBase, type UnifiedFacts } from '../../../lib/host/cgroup-base.js';
import { parseCgroupLayout, withUnifiedControllers } from '../../../lib/host/cgroup-layout.js';
import { dockerV1, dockerV2, hybrid, layoutOf, outside, systemd, v1 } from './machines.js';

describe('the layout of', () => {
  it('a hybrid machine: controllers in both versions', () => {
    const layout = layoutOf(hybrid);
    expect(layout.mode).toBe('hybrid');
    expect(layout.controllers.get('memory')).toMatchObject({ version: 1, ownPath: '/sys/fs/cgroup/memory/session/a97e' });
    expect(layout.controllers.get('pids')).toMatchObject({ version: 1, ownPath: '/sys/fs/cgroup/pids' });
    expect(layout.controllers.get('hugetlb')).toMatchObject({ version: 2, ownPath: '/sys/fs/cgroup/unified' });
    expect([...layout.controllers.keys()]).not.toContain('name=systemd');
    expect(layout.unified?.controllers).toEqual(['hugetlb']);
  });

  it('a systemd machine: all on the unified tree', () => {
    const layout = layoutOf(systemd);
    expect(layout.mode).toBe('v2');
    expect([...layout.controllers.keys()]).toEqual(['cpu', 'memory', 'pids']);
    expect(layout.unified?.ownPath).toBe('/sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service/app.slice/run-u5.service');
  });

  it('an older machine: controllers that are mounted together share a hierarchy, in any order', () => {
    const layout = layoutOf(v1);
    expect(layout.mode).toBe('v1');
    expect(layout.unified).toBeNull();
    expect(layout.controllers.get('cpu')).toBe(layout.controllers.get('cpuacct'));
    expect(layout.controllers.get('cpu')?.ownPath).toBe('/sys/fs/cgroup/cpu,cpuacct/system.slice/my:job.service');
    expect(layout.controllers.get('net_cls')?.mountPoint).toBe('/sys/fs/cgroup/net_cls,net_prio');
  });

  it('a container whose mount shows its own folder alone', () => {
    const layout = layoutOf(dockerV1);
    expect(layout.controllers.get('memory')).toMatchObject({ ownPath: '/sys/fs/cgroup/memory', readOnly: true });
    expect(layout.controllers.get('pids')?.ownPath).toBe('/sys/fs/cgroup/pids/child');
  });

  it('a container with a cgroup namespace', () => {
    expect(layoutOf(dockerV2).unified).toMatchObject({ ownPath: '/sys/fs/cgroup', readOnly: true });
  });

  it('a process whose mount lies above its namespace: its folder has no known name', () => {
    expect(layoutOf(outside).unified?.ownPath).toBeNull();
  });

  it('a process outside its namespace', () => {
    expect(layoutOf({ ...dockerV2, membership: '0::/../other\n' }).unified?.ownPath).toBeNull();
  });

  it('a group that was removed, and a mount point with a space', () => {
    const layout = layoutOf({
      mountinfo: '1 2 0:3 / /mnt/a\\040b rw - cgroup2 none rw\n',
      membership: '0::/gone (deleted)\n',
      controllers: {},
    });
    expect(layout.unified).toMatchObject({ mountPoint: '/mnt/a b', ownPath: '/mnt/a b/gone' });
  });

  it('another group of the unified tree: with what that one hands on', () => {
    const layout = withUnifiedControllers(layoutOf(hybrid), 'io misc\n');
    expect(layout.controllers.get('io')).toBe(layout.unified);
    expect([...layout.controllers.keys()]).not.toContain('hugetlb');
    expect(layout.controllers.get('memory')?.version).toBe(1);
    expect(withUnifiedControllers(layoutOf(v1), 'io')).toEqual(layoutOf(v1));
  });

  it('nothing: a kernel without cgroups', () => {
    expect(layoutOf({ mountinfo: '', membership: '', controllers: {} })).toEqual({ mode: 'v1', controllers: new Map(), unified: null });
  });

  it('any text at all does not fail', () => {
    fc.assert(fc.property(fc.string(), fc.string(), (mountinfo, membership) => void parseCgroupLayout(mountinfo, membership, () => '')));
  });
});

describe('where groups are made on the unified tree', () => {
  const facts: UnifiedFacts = {
    mode: 'v2',
    mountPoint: '/cg',
    ownPath: '/cg/service',
    readOnly: false,
    ownIsTop: false,
    mountIsTop: true,
    writable: true,
    offered: true,
    delegated: true,
    alone: true,
    root: false,
    type: 'domain',
    namespaced: false,
  };

  it.each([
    ['delegated and alone: below its own, from a leaf', {}, { path: '/cg/service', leaf: true }],
    ['in its leaf already: beside it', { ownPath: '/cg/service/nacelle-node' }, { path: '/cg/service', leaf: false }],
    [
      'at the top: there, for the top may hold processes',
      { ownPath: '/cg', ownIsTop: true, alone: false, root: true },
      { path: '/cg', leaf: false },
    ],
    ['root among others: at the top', { alone: false, root: true }, { path: '/cg', leaf: false }],
    ['root in a group that is handed nothing: at the top', { delegated: false, root: true }, { path: '/cg', leaf: false }],
    [
      'hybrid, all controllers on v1: below its own, though others are there',
      { mode: 'hybrid', alone: false, offered: false, delegated: false, root: true },
      { path: '/cg/service', leaf: false },
    ],
    ['hybrid, a controller left to v2, alone: from a leaf', { mode: 'hybrid' }, { path: '/cg/service', leaf: true }],
    [
      'hybrid, a controller left to v2, others there: below its own, without that controller',
      { mode: 'hybrid', alone: false },
      {
        path: '/cg/service',
        leaf: false,
        bare: { reason: expect.stringContaining('other processes'), fix: expect.stringContaining('systemd-run') },
      },
    ],
    [
      'hybrid, controllers left to v2, root among others: at the top, with them',
      { mode: 'hybrid', alone: false, root: true },
      { path: '/cg', leaf: false },
    ],
    [
      'hybrid, controllers left to v2 but not handed on, root: at the top, with them',
      { mode: 'hybrid', delegated: false, root: true },
      { path: '/cg', leaf: false },
    ],
    [
      'hybrid, controllers left to v2 but not handed on: below its own, without them',
      { mode: 'hybrid', delegated: false },
      {
        path: '/cg/service',
        leaf: false,
        bare: { reason: expect.stringContaining('no controllers are handed on'), fix: expect.stringContaining('systemd-run') },
      },
    ],
    ['root in a threaded subtree: at the top', { type: 'threaded', root: true }, { path: '/cg', leaf: false }],
    ['root, own folder hidden: at the top', { ownPath: null, writable: false, root: true }, { path: '/cg', leaf: false }],
  ] as const)('%s', (_, given, expected) => {
    expect(chooseUnifiedBase({ ...facts, ...given })).toEqual(expected);
  });

  it.each([
    ['a user among others', { alone: false }, 'other processes'],
    ['a user without delegation', { writable: false }, 'may not make groups'],
    ['a user in a group that is handed nothing', { delegated: false }, 'no controllers'],
    ['root of a container among others', { alone: false, root: true, mountIsTop: false }, 'other processes'],
    ['a read-only mount', { readOnly: true, root: true }, 'read-only'],
    ['a user in a threaded subtree', { type: 'threaded' }, 'threaded subtree'],
    ['a user at the top of one', { type: 'domain threaded', mode: 'hybrid' }, 'threaded subtree'],
  ] as const)('%s: nowhere, with a reason and a fix', (_, given, reason) => {
    const choice = chooseUnifiedBase({ ...facts, ...given });
    expect(choice.path).toBeNull();
    expect(choice).toHaveProperty('reason', expect.stringContaining(reason));
    expect(choice).toHaveProperty('fix', expect.stringMatching(/systemd-run|--privileged/));
  });

  it('in a container: with the fix that helps there', () => {
    const inside: UnifiedFacts = { ...facts, ownPath: '/cg', namespaced: true, mountIsTop: false, root: true };
    expect(chooseUnifiedBase({ ...inside, alone: false })).toHaveProperty('fix', expect.stringContaining('mkdir init'));
    expect(chooseUnifiedBase({ ...inside, writable: false })).toHaveProperty('fix', expect.stringContaining('--privileged'));
  });
});

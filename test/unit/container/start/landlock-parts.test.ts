import { describe, expect, it } from 'vitest';
import { withoutGroup } from '../../../../lib/container/start/landlock-group.js';
import { isRoot } from '../../../../lib/container/start/landlock-user.js';
import { UnsupportedError } from '../../../../lib/errors.js';
import { landlockRefusal } from '../../../../lib/host/landlock-abi.js';
import { landlockGaps } from '../../../../lib/security/landlock-gaps.js';

const refusal = new UnsupportedError('cgroup', 'the tree is read-only', 'Mount it.');
const options = { limits: {}, onUnsupported: 'error', process: { cpuTimeLimit: null } } as const;

describe('a program without a group', () => {
  it('is ended by a guard where Landlock confines signals', () => {
    expect(withoutGroup(options, refusal, 6)).toEqual({ group: null, guard: true, limits: {}, notEnforced: [], records: [] });
  });

  it('is refused where nothing would end what it starts, or reported', () => {
    expect(() => withoutGroup(options, refusal, 5)).toThrow(
      /an end for all that the program starts .*the tree is read-only.*6\.12.*Mount it\./,
    );
    expect(withoutGroup({ ...options, onUnsupported: 'report' }, refusal, 5)).toMatchObject({
      guard: false,
      notEnforced: [{ feature: 'an end for all that the program starts', reason: expect.stringContaining('the tree is read-only') }],
    });
  });

  it('has the limits of a process, and is refused those of a group', () => {
    const ulimits = { nofile: 10 };
    expect(withoutGroup({ ...options, limits: { ulimits } }, refusal, 7).limits).toEqual({ ulimits });
    expect(() => withoutGroup({ ...options, limits: { ulimits, memory: 1 } }, refusal, 7)).toThrow(
      'limit memory is not supported here: the tree is read-only',
    );
    expect(withoutGroup({ ...options, limits: { ulimits, memory: 1 }, onUnsupported: 'report' }, refusal, 7)).toMatchObject({
      limits: { ulimits },
      notEnforced: [{ feature: 'memory', reason: 'the tree is read-only' }],
    });
  });

  it('has no clock of CPU time, which is never left out', () => {
    const clocked = { ...options, onUnsupported: 'report', process: { cpuTimeLimit: 1 } } as const;
    expect(() => withoutGroup(clocked, refusal, 7)).toThrow('cpuTimeLimit is not supported here');
  });
});

describe('whether a user is root', () => {
  const passwd = 'root:x:0:0:root:/root:/bin/sh\ntoor:x:0:1::/:/bin/sh\nnobody:x:65534:65534::/:/\n';
  it.each([
    ['0', true],
    ['0:5', true],
    ['65534:0', false],
    ['root', true],
    ['toor:users', true],
    ['nobody', false],
    ['missing', false],
  ])('%s', (user, expected) => {
    expect(isRoot(user, () => passwd)).toBe(expected);
  });
});

describe('a kernel that refuses Landlock', () => {
  it.each([
    ['ENOSYS', 'no Landlock', 'Linux 5.13'],
    ['EOPNOTSUPP', 'not switched on', 'lsm='],
    ['EPERM', 'a filter refuses', 'seccomp profile'],
    ['EACCES', 'a filter refuses', 'seccomp profile'],
  ])('%s', (code, reason, fix) => {
    expect(landlockRefusal(code)).toMatchObject({
      name: 'UnsupportedError',
      reason: expect.stringContaining(reason),
      fix: expect.stringContaining(fix),
    });
  });

  it('has no other errors', () => {
    expect(landlockRefusal('EMFILE')).toBe(null);
  });
});

describe('what Landlock does not give', () => {
  const names = (facts: Partial<Parameters<typeof landlockGaps>[0]>): string[] =>
    landlockGaps({ abi: 7, sockets: 'none', isRoot: false, hasFolder: true, ...facts }).map(({ feature }) => feature);

  it('is named, each thing by itself', () => {
    const always = ['pid', 'mnt', 'net', 'ipc', 'uts', 'user', 'cgroup'].map((type) => `${type} namespace`);
    expect(names({})).toEqual(expect.arrayContaining([...always, 'masked paths', 'scheduling', 'file attributes', 'folder size']));
  });

  it('depends on the kernel, the user and the folder', () => {
    expect(names({ abi: 6 })).not.toContain('signals');
    expect(names({ abi: 5 })).toContain('signals');
    expect(names({ isRoot: true })).not.toContain('file attributes');
    expect(names({ hasFolder: false })).not.toContain('folder size');
  });
});

import { describe, expect, it } from 'vitest';
import { blame, type UsernsFacts } from '../../../lib/host/userns-blame.js';

const usual: UsernsFacts = {
  clone: null,
  apparmor: null,
  limits: new Map([
    ['user.max_net_namespaces', 100],
    ['user.max_user_namespaces', 100],
  ]),
  isFiltered: false,
};

describe('what keeps a user from having a user namespace', () => {
  it.each<[facts: Partial<UsernsFacts>, code: string, reason: string, fix: string]>([
    [{ clone: 0 }, 'EPERM', 'kernel.unprivileged_userns_clone is 0', 'sysctl -w kernel.unprivileged_userns_clone=1'],
    [{ apparmor: 1 }, 'EPERM', 'AppArmor gives no rights', 'sysctl -w kernel.apparmor_restrict_unprivileged_userns=0'],
    [{ apparmor: 1 }, 'EACCES', 'AppArmor gives no rights', 'the rule userns'],
    [{ apparmor: 1, isFiltered: true }, 'EPERM', 'AppArmor gives no rights', 'sysctl -w'],
    [{ isFiltered: true }, 'EPERM', 'a filter of system calls', '--security-opt seccomp=unconfined'],
    [{ isFiltered: true }, 'ENOSYS', 'a filter of system calls', '--security-opt seccomp=unconfined'],
    [{ limits: new Map([['user.max_net_namespaces', 0]]) }, 'ENOSPC', 'user.max_net_namespaces is 0', 'sysctl -w user.max_net_namespaces='],
    [{}, 'ENOSPC', 'a limit on namespaces is reached (user.max_user_namespaces is 100)', 'sysctl -w user.max_user_namespaces='],
  ])('%j, %s', (facts, code, reason, fix) => {
    const told = { available: false, reason: expect.stringContaining(reason), fix: expect.stringContaining(fix) };
    expect(blame({ ...usual, ...facts }, code)).toEqual(told);
  });

  it('is none of these where another error says it all', () => {
    expect(blame(usual, 'EPERM')).toBeNull();
    expect(blame({ ...usual, clone: 1, apparmor: 0 }, 'EPERM')).toBeNull();
    expect(blame({ ...usual, clone: 0, isFiltered: true }, 'EINVAL')).toBeNull();
  });
});

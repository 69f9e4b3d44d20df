import { describe, expect, it } from 'vitest';
import { bundleProfile, listenedProfile } from '../../../../lib/security/oci-profile/bundle-profile.js';

const rule = { names: ['personality'], action: 'SCMP_ACT_ERRNO', errnoRet: 7, args: [{ index: 0, value: 2n ** 63n, op: 'SCMP_CMP_EQ' }] };
const profile = { defaultAction: 'SCMP_ACT_ALLOW', architectures: ['SCMP_ARCH_X86_64'], syscalls: [rule] };

describe('linux.seccomp of config.json', () => {
  it("passes over what the spec does not have, also docker's conditions and what is no field at all", () => {
    const args = rule.args.map((argument) => ({ ...argument, later: 1 }));
    const conditional = { ...rule, args, comment: 'x', includes: { caps: ['CAP_SYS_ADMIN'] }, excludes: { arches: ['amd64'] }, later: [] };
    const more = { archMap: [{ architecture: 'SCMP_ARCH_S390' }], defaultErrno: 'EPERM', later: { a: 1 }, syscalls: [conditional] };
    expect(bundleProfile({ ...profile, ...more })).toEqual(bundleProfile(profile));
  });

  it('has null for what is not there', () => {
    const none = { defaultErrnoRet: null, flags: null, listenerPath: null, syscalls: [{ ...rule, args: null, errnoRet: null }] };
    expect(bundleProfile({ ...profile, ...none }).groups).toMatchObject([{ args: [], action: { errno: 1 } }]);
    expect(bundleProfile({ defaultAction: 'SCMP_ACT_ALLOW', syscalls: null }).groups).toEqual([]);
  });

  it.each([
    ['no action', { syscalls: [] }, 'linux.seccomp.defaultAction'],
    ['a rule that is none', { ...profile, syscalls: [7] }, 'linux.seccomp.syscalls[0]'],
    ['rules that are none', { ...profile, syscalls: { 0: rule } }, 'linux.seccomp.syscalls'],
    ['a rule without names', { ...profile, syscalls: [{ name: 'sync', action: 'SCMP_ACT_ERRNO' }] }, 'linux.seccomp.syscalls[0].names'],
    ['an argument that is none', { ...profile, syscalls: [{ ...rule, args: [[]] }] }, 'linux.seccomp.syscalls[0].args[0]'],
  ])('refuses %s by its path', (_, seccomp, path) => {
    expect(() => bundleProfile(seccomp)).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_OPTION', message: expect.stringContaining(path) }),
    );
  });

  it('asks the listener of the calls of SCMP_ACT_NOTIFY alone, and never by default', () => {
    const asked = { ...profile, listenerPath: '/run/x', syscalls: [rule, { ...rule, action: 'SCMP_ACT_NOTIFY', errnoRet: null }] };
    const parsed = bundleProfile(asked);
    expect(parsed).toMatchObject({ notifies: true, listener: { path: '/run/x', metadata: '' } });
    const [before, after] = [parsed, listenedProfile(asked, parsed)].map(({ groups }) => groups.map(({ action }) => action));
    expect([before?.[0], before?.[1], after?.[0], after?.[1]]).toEqual([before?.[0], { errno: 1 }, before?.[0], 'notify']);
    expect(() => listenedProfile({ ...asked, defaultAction: 'SCMP_ACT_NOTIFY' }, parsed)).toThrow('linux.seccomp.defaultAction');
  });
});

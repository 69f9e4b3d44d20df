import { describe, expect, it } from 'vitest';
import { parseRunOptions } from '../../../../lib/container/options/container-options.js';
import type { SeccompProfile } from '../../../../lib/security/oci-profile/profile-types.js';

const seccompOf = (seccomp: string | SeccompProfile | undefined) => parseRunOptions({ image: 'host', command: ['true'], seccomp }).seccomp;

describe('seccomp', () => {
  it('is a word, the path of a file, or a profile', () => {
    expect([undefined, 'default', 'unconfined'].map(seccompOf)).toEqual(['default', 'default', 'unconfined']);
    expect(seccompOf('profiles/mine.json')).toEqual({ file: 'profiles/mine.json' });
    expect(seccompOf({ defaultAction: 'SCMP_ACT_LOG' })).toMatchObject({ defaultAction: 'log', groups: [] });
  });

  it("is no profile that needs what can't be had", () => {
    expect(() => seccompOf({ defaultAction: 'SCMP_ACT_LOG', listenerPath: '/run/agent.sock' })).toThrow(
      expect.objectContaining({ code: 'ERR_UNSUPPORTED' }),
    );
  });

  it('is the profile as it was when it was given', () => {
    const rule = { names: ['read'], action: 'SCMP_ACT_ALLOW' as const };
    const profile: SeccompProfile = { defaultAction: 'SCMP_ACT_ERRNO', syscalls: [rule] };
    const parsed = seccompOf(profile);
    rule.names.push('write');
    expect(parsed).toMatchObject({ groups: [{ names: ['read'] }] });
  });
});

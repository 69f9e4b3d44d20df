import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseOptions } from '../../../../lib/options/parse-options.js';
import { allCapabilities, capabilityMask } from '../../../../lib/plan/capability-names.js';
import { compiledProfile } from '../../../../lib/security/oci-profile/compiled-profile.js';
import { profileField } from '../../../../lib/security/oci-profile/profile-field.js';
import type { SeccompProfile, SeccompRule } from '../../../../lib/security/oci-profile/profile-types.js';
import { type Abi, syscallTable } from '../../../../lib/security/syscalls/tables.js';
import { rounds } from '../../../fixtures/rounds.js';
import { ALLOW, audit, ENOSYS, EPERM, errno, KILL_PROCESS, runFilter, x32Bit } from '../interpreter.js';
import { calls, profileOf, verdictOf, word } from './profile-model.js';

const subject = { arch: 'x86_64', capabilities: 0n, kernel: '6.1.0-28-amd64' } as const;
const compile = (profile: SeccompProfile, more: Partial<Parameters<typeof compiledProfile>[1]> = {}) =>
  compiledProfile(parseOptions(profileField.schema(), profile, 'seccomp'), { ...subject, ...more });

type Entry = Abi | 'x32';
const entries: readonly Entry[] = ['x86_64', 'x32', 'i386'];

function verdict(filter: Uint8Array, entry: Entry, name: string, args: readonly (bigint | number)[] = []): number {
  const abi = entry === 'x32' ? 'x86_64' : entry;
  // x32's own number of a call is the last.
  const nr = syscallTable(abi)
    .get(name)
    ?.at(entry === 'x32' ? -1 : 0);
  if (nr === undefined) throw new Error(`${entry} has no ${name}`);
  return runFilter(filter, { arch: audit[abi], nr: entry === 'x32' ? nr | x32Bit : nr, args }).verdict;
}

const everywhere = { architectures: ['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86', 'SCMP_ARCH_X32'] };
const allow = (...names: string[]): SeccompRule => ({ names, action: 'SCMP_ACT_ALLOW' });
const deny = (...syscalls: SeccompRule[]): SeccompProfile => ({ defaultAction: 'SCMP_ACT_ERRNO', ...everywhere, syscalls });

describe('a profile', () => {
  it('means for every call what it says', () => {
    const asked = fc.record({ name: fc.constantFrom(...calls), args: fc.tuple(word, word, word) });
    fc.assert(
      fc.property(profileOf(), fc.array(asked, { minLength: 10, maxLength: 10 }), (random, asked) => {
        // It is newer than all that are asked.
        const profile = { ...random, syscalls: [...(random.syscalls ?? []), allow('openat2')] };
        const x86 = compile(profile).filter;
        const arm64 = compile(profile, { arch: 'arm64' }).filter;
        for (const { name, args } of asked) {
          const [wide, narrow] = ([64, 32] as const).map((bits) => verdictOf(profile, { name, args, bits }));
          const got = [...entries.map((entry) => verdict(x86, entry, name, args)), verdict(arm64, 'arm64', name, args)];
          expect(got.map((value) => value.toString(16))).toEqual([wide, narrow, narrow, wide].map((value) => value?.toString(16)));
        }
      }),
      { numRuns: rounds(150, 10_000) },
    );
  });

  it('has the default action for what it does not name, and ENOSYS for what is newer than all that it names', () => {
    const { filter } = compile(deny(allow('read', 'openat2'), { names: ['close_range'], action: 'SCMP_ACT_ERRNO' }));
    for (const entry of entries) {
      expect(verdict(filter, entry, 'read')).toBe(ALLOW);
      expect(verdict(filter, entry, 'write')).toBe(EPERM);
      expect(verdict(filter, entry, 'close_range')).toBe(EPERM);
      expect(verdict(filter, entry, 'openat2')).toBe(ALLOW);
      expect(verdict(filter, entry, 'faccessat2')).toBe(ENOSYS);
    }
    // x32's own numbers are no newer calls.
    expect(runFilter(filter, { arch: audit.x86_64, nr: 528 }).verdict).toBe(EPERM);
    expect(runFilter(filter, { arch: audit.x86_64, nr: 548 }).verdict).toBe(ENOSYS);
    expect(runFilter(compile({ ...deny(), defaultErrnoRet: 13 }).filter, { arch: audit.x86_64, nr: 1000 }).verdict).toBe(errno(13));
    const log = compile({ defaultAction: 'SCMP_ACT_LOG', syscalls: [allow('read')] });
    expect(runFilter(log.filter, { arch: audit.x86_64, nr: 1000 }).verdict).toBe(0x7ffc_0000);
  });

  it('kills through an ABI that it does not name', () => {
    const native = compile({ ...deny(allow('read')), architectures: null });
    expect(verdict(native.filter, 'x86_64', 'read')).toBe(ALLOW);
    expect(verdict(native.filter, 'x32', 'read')).toBe(KILL_PROCESS);
    expect(verdict(native.filter, 'i386', 'read')).toBe(KILL_PROCESS);
    expect(runFilter(native.filter, { arch: audit.x86_64, nr: -1 }).verdict).toBe(EPERM);
    expect(native.kills).toBe(true);
    expect(compile(deny(allow('read'))).kills).toBe(false);
    expect(compile(deny({ names: ['read'], action: 'SCMP_ACT_TRAP' })).kills).toBe(true);

    const mapped = { ...deny(allow('read')), architectures: null };
    const archMap = [
      { architecture: 'SCMP_ARCH_AARCH64', subArchitectures: ['SCMP_ARCH_ARM'] },
      { architecture: 'SCMP_ARCH_X86_64', subArchitectures: ['SCMP_ARCH_X86'] },
    ];
    const { filter } = compile({ ...mapped, archMap });
    expect(entries.map((entry) => verdict(filter, entry, 'read'))).toEqual([ALLOW, KILL_PROCESS, ALLOW]);
    const arm64 = compile({ ...mapped, archMap }, { arch: 'arm64' });
    expect(verdict(arm64.filter, 'arm64', 'read')).toBe(ALLOW);
    expect(runFilter(arm64.filter, { arch: audit.arm, nr: 3 }).verdict).toBe(KILL_PROCESS);
  });

  it.each<[string, Partial<SeccompRule>, boolean]>([
    ['all of its capabilities', { includes: { caps: ['CAP_BPF', 'CAP_KILL'] } }, true],
    ['one that is missing', { includes: { caps: ['CAP_BPF', 'CAP_SYS_ADMIN'] } }, false],
    ['one that excludes', { excludes: { caps: ['CAP_SYS_ADMIN', 'CAP_BPF'] } }, false],
    ['none that excludes', { excludes: { caps: ['CAP_SYS_ADMIN'] } }, true],
    ['the machine', { includes: { arches: ['arm64', 'amd64'] } }, true],
    ['another machine', { includes: { arches: ['arm64', 'x86', 'x32'] } }, false],
    ['a machine that excludes', { excludes: { arches: ['s390', 'amd64'] } }, false],
    ['an older kernel', { includes: { minKernel: '4.8' } }, true],
    ['this kernel', { includes: { minKernel: '6.1' } }, true],
    ['a later kernel', { includes: { minKernel: '6.1.1' } }, false],
    ['a later kernel by two digits', { includes: { minKernel: '6.10' } }, false],
    ['a kernel that excludes', { excludes: { minKernel: '5.15' } }, false],
    ['two conditions, one of which fails', { includes: { caps: ['BPF'], minKernel: '7.0' } }, false],
  ])('has a rule by %s', (_, conditions, applies) => {
    const { filter } = compile(deny({ ...allow('read'), ...conditions }), { capabilities: capabilityMask('BPF', 'KILL') });
    expect(verdict(filter, 'x86_64', 'read')).toBe(applies ? ALLOW : EPERM);
  });

  it('has the first rule without arguments decide', () => {
    const one = { args: [{ index: 0, op: 'SCMP_CMP_EQ', value: 1 }] } as const;
    const { filter } = compile(
      deny({ names: ['read'], action: 'SCMP_ACT_TRAP', ...one }, allow('read'), {
        names: ['read'],
        action: 'SCMP_ACT_ERRNO',
        errnoRet: 13,
      }),
    );
    for (const arg of [0, 1, 2]) expect(verdict(filter, 'x86_64', 'read', [arg])).toBe(ALLOW);
  });

  it('holds on i386 for the calls through which others are made', () => {
    const unix = { args: [{ index: 0, op: 'SCMP_CMP_EQ', value: 1 }] } as const;
    const allowed = compile(deny(allow('bind', 'recv', 'shmat', 'openat2'), { ...allow('socket'), ...unix })).filter;
    expect(verdict(allowed, 'i386', 'socket', [1])).toBe(ALLOW);
    // The family can't be seen there, so what is not allowed for all is not allowed.
    expect([1, 2, 3, 10].map((call) => verdict(allowed, 'i386', 'socketcall', [call]))).toEqual([EPERM, ALLOW, EPERM, ALLOW]);
    expect([20, 21, 22].map((call) => verdict(allowed, 'i386', 'ipc', [call]))).toEqual([EPERM, ALLOW, EPERM]);
    const refused = compile({
      ...deny({ names: ['socket', 'connect'], action: 'SCMP_ACT_ERRNO', ...unix }),
      defaultAction: 'SCMP_ACT_ALLOW',
    });
    expect([1, 2, 3].map((call) => verdict(refused.filter, 'i386', 'socketcall', [call]))).toEqual([EPERM, ALLOW, EPERM]);
    const whole = compile(deny(allow('socketcall', 'openat2'), { ...allow('socket'), ...unix })).filter;
    expect(verdict(whole, 'i386', 'socketcall', [1])).toBe(ALLOW);
  });

  it('tells which names no kernel has', () => {
    const profile = deny(allow('read', 'set_tls', 'recv', 'raed'), allow('later_call', 'raed'), {
      ...allow('never'),
      includes: { arches: ['arm'] },
    });
    expect(compile(profile).unknownCalls).toEqual(['raed', 'later_call']);
    expect(compile(deny(allow(...Array.from({ length: 300 }, (_, index) => `call${index}`)))).unknownCalls).toHaveLength(100);
  });
});

describe('compiledProfile', () => {
  it('compiles a profile once for each machine, set of capabilities and kernel', () => {
    const profile = deny(allow('read', 'write'));
    const first = compile(profile);
    expect(compile(structuredClone(profile))).toBe(first);
    expect(compile(profile, { capabilities: allCapabilities })).not.toBe(first);
    expect(compile(profile, { kernel: '6.2' })).not.toBe(first);
    expect(compile(deny(allow('read', 'writev')))).not.toBe(first);
    for (let index = 0; index < 70; index++) compile({ ...profile, defaultErrnoRet: index + 2 });
    expect(compile(profile)).not.toBe(first);
  });

  it('compiles a long profile once, too', () => {
    const long = (last: string) => deny(allow(...Array.from({ length: 2000 }, (_, index) => `call_of_a_later_kernel_${index}`), last));
    const first = compile(long('read'));
    expect(compile(long('read'))).toBe(first);
    expect(compile(long('write'))).not.toBe(first);
  });

  it('refuses more than the kernel takes, soon', () => {
    const args = Array.from({ length: 50_000 }, (_, value) => ({
      ...allow('read'),
      args: [{ index: 0, op: 'SCMP_CMP_EQ' as const, value }],
    }));
    expect(() => compile(deny(...args))).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_OPTION', message: expect.stringMatching(/option seccomp: .*4096/) }),
    );
  });
});

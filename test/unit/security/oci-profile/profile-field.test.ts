import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { WRONG } from '../../../../lib/options/option-fields.js';
import { parseOptions } from '../../../../lib/options/parse-options.js';
import { profileField } from '../../../../lib/security/oci-profile/profile-field.js';
import type { SeccompProfile } from '../../../../lib/security/oci-profile/profile-types.js';
import { refuseUnsupported } from '../../../../lib/security/oci-profile/read-profile.js';
import { changedOften, changedOnce, expectSame, REMOVED } from '../../../fixtures/same-as-zod.js';

const parse = (profile: SeccompProfile) => parseOptions(profileField.schema(), profile, 'seccomp');
const allow = { defaultAction: 'SCMP_ACT_ALLOW' } as const;
const deny = { defaultAction: 'SCMP_ACT_ERRNO' } as const;

describe('profileField', () => {
  it('takes the least', () => {
    expect(parse(allow)).toEqual({
      flags: 0,
      notifies: false,
      defaultAction: 'allow',
      architectures: [],
      archMap: {},
      groups: [],
      listener: null,
    });
    expect(parse(deny).defaultAction).toEqual({ errno: 1 });
  });

  it('takes what Go writes for nothing', () => {
    const nothing = { name: null, errnoRet: null, errno: null, args: null, includes: null, excludes: null, comment: null } as const;
    const profile = parse({
      ...deny,
      defaultErrnoRet: null,
      defaultErrno: null,
      architectures: null,
      archMap: [{ architecture: 'SCMP_ARCH_RISCV64', subArchitectures: null }],
      syscalls: [{ names: ['read'], action: 'SCMP_ACT_ALLOW', ...nothing }],
      flags: null,
      listenerPath: null,
      listenerMetadata: null,
    });
    expect(profile.groups).toHaveLength(1);
    expect(profile.archMap).toEqual({ SCMP_ARCH_RISCV64: [] });
  });

  it.each([
    ['SCMP_ACT_KILL', 'kill-thread'],
    ['SCMP_ACT_KILL_THREAD', 'kill-thread'],
    ['SCMP_ACT_KILL_PROCESS', 'kill-process'],
    ['SCMP_ACT_TRAP', 'trap'],
    ['SCMP_ACT_ERRNO', { errno: 1 }],
    ['SCMP_ACT_TRACE', { trace: 1 }],
    ['SCMP_ACT_ALLOW', 'allow'],
    ['SCMP_ACT_LOG', 'log'],
  ] as const)('reads %s', (action, expected) => {
    expect(parse({ defaultAction: action, syscalls: [{ name: 'read', action }] })).toMatchObject({
      defaultAction: expected,
      groups: [{ names: ['read'], action: expected }],
    });
  });

  it('reads numbers of errors, by name as podman has them', () => {
    const profile = parse({
      ...deny,
      defaultErrno: 'ENOSYS',
      defaultErrnoRet: 38,
      syscalls: [
        { names: ['a'], action: 'SCMP_ACT_ERRNO', errno: 'EACCES' },
        { names: ['a'], action: 'SCMP_ACT_ERRNO', errnoRet: 0 },
        { names: ['a'], action: 'SCMP_ACT_TRACE', errnoRet: 0xffff },
      ],
    });
    expect(profile.defaultAction).toEqual({ errno: 38 });
    expect(profile.groups.map(({ action }) => action)).toEqual([{ errno: 13 }, { errno: 0 }, { trace: 0xffff }]);
  });

  it('reads conditions and arguments', () => {
    const args = [
      { index: 0, op: 'SCMP_CMP_MASKED_EQ', value: 0xf0, valueTwo: 0x31 },
      { index: 5, op: 'SCMP_CMP_GE', value: 2n ** 64n - 1n, valueTwo: 7 },
    ] as const;
    const includes = { caps: ['CAP_SYS_ADMIN', 'bpf'], arches: ['amd64'], minKernel: '5.11' };
    const [group] = parse({ ...deny, syscalls: [{ names: ['ioctl'], action: 'SCMP_ACT_ALLOW', args, includes }] }).groups;
    expect(group).toMatchObject({
      args: [
        { index: 0, op: 'MASKED_EQ', mask: 0xf0n, value: 0x30n },
        { index: 5, op: 'GE', value: 2n ** 64n - 1n },
      ],
      includes: { caps: ['SYS_ADMIN', 'BPF'], arches: ['amd64'], minKernel: [5, 11] },
      excludes: { caps: [], arches: [], minKernel: null },
    });
  });

  const rule = (more: object) => ({
    ...deny,
    syscalls: [
      { names: ['read'], action: 'SCMP_ACT_ALLOW' },
      { names: ['read'], action: 'SCMP_ACT_ALLOW', ...more },
    ],
  });
  const argument = (more: object) => rule({ args: [{ index: 0, op: 'SCMP_CMP_EQ', value: 1, ...more }] });

  it.each<[string, unknown, string, string]>([
    ['no profile', [], 'seccomp', 'must be an object'],
    ['no default', {}, 'defaultAction', 'SCMP_ACT_KILL'],
    ['a wrong action', { defaultAction: 'SCMP_ACT_ALOW' }, 'defaultAction', "did you mean 'SCMP_ACT_ALLOW'?"],
    ['an unknown key', { ...deny, sycalls: [] }, 'sycalls', "did you mean 'syscalls'?"],
    ['an unknown key of a rule', rule({ arg: [] }), 'syscalls[1].arg', "did you mean 'args'?"],
    ['no names', rule({ names: [] }), 'syscalls[1].names', 'at least 1'],
    ['neither name nor names', rule({ names: null }), 'syscalls[1].names', 'is missing'],
    ['both', rule({ name: 'read' }), 'syscalls[1].name', "can't go with names"],
    ['a name that is none', rule({ names: ['read', 'a b'] }), 'syscalls[1].names[1]', 'the name of a system call'],
    ['a wrong action of a rule', rule({ action: 'ALLOW' }), 'syscalls[1].action', 'must be one of'],
    ['an errno that nothing returns', rule({ errnoRet: 1 }), 'syscalls[1].errnoRet', 'SCMP_ACT_ERRNO'],
    ['an errno that is none', rule({ action: 'SCMP_ACT_ERRNO', errnoRet: 4096 }), 'syscalls[1].errnoRet', '4095'],
    ['a name of an errno that is none', rule({ action: 'SCMP_ACT_ERRNO', errno: 'EPREM' }), 'syscalls[1].errno', "did you mean 'EPERM'?"],
    ['two errnos', rule({ action: 'SCMP_ACT_ERRNO', errno: 'EPERM', errnoRet: 2 }), 'syscalls[1].errnoRet', 'means 1'],
    ['a default errno that nothing returns', { ...allow, defaultErrnoRet: 2 }, 'defaultErrnoRet', 'SCMP_ACT_ERRNO'],
    ['an operator', argument({ op: 'SCMP_CMP_EQUAL' }), 'syscalls[1].args[0].op', "did you mean 'SCMP_CMP_EQ'?"],
    ['a seventh argument', argument({ index: 6 }), 'syscalls[1].args[0].index', 'at most 5'],
    ['a value below 0', argument({ value: -1 }), 'syscalls[1].args[0].value', '2^64 - 1'],
    ['a value that is too large', argument({ value: 2n ** 64n }), 'syscalls[1].args[0].value', '2^64 - 1'],
    ['a value that is not exact', argument({ value: 2 ** 60 }), 'syscalls[1].args[0].value', 'bigint'],
    ['a capability', rule({ excludes: { caps: ['CAP_SYS_ADMN'] } }), 'syscalls[1].excludes.caps[0]', "did you mean 'SYS_ADMIN'?"],
    ['a machine', rule({ includes: { arches: ['x86_64'] } }), 'syscalls[1].includes.arches[0]', 'must be one of'],
    ['a kernel', rule({ includes: { minKernel: 'new' } }), 'syscalls[1].includes.minKernel', "'5.11'"],
    ['an ABI', { ...deny, architectures: ['SCMP_ARCH_AMD64'] }, 'architectures[0]', 'must be one of'],
    [
      'two lists of ABIs',
      { ...deny, architectures: ['SCMP_ARCH_X86'], archMap: [{ architecture: 'SCMP_ARCH_X86_64' }] },
      'archMap',
      'architectures',
    ],
    ['a flag', { ...deny, flags: ['TSYNC'] }, 'flags[0]', 'must be one of'],
  ])('refuses %s', (_, profile, option, message) => {
    expect(() => parseOptions(profileField.schema(), profile, 'seccomp')).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_OPTION', message: expect.stringContaining(`option ${option}: `) }),
    );
    expect(() => parseOptions(profileField.schema(), profile, 'seccomp')).toThrow(message);
  });

  it('refuses to let pass what it is to refuse, under a name that is wrong', () => {
    const syscalls = [{ names: ['mount', 'keyctrl'], action: 'SCMP_ACT_ERRNO' }] as const;
    expect(() => parse({ ...allow, syscalls })).toThrow(/option syscalls\[0\]\.names\[1\]: .*did you mean 'keyctl'\?/);
    expect(() => parse({ defaultAction: 'SCMP_ACT_LOG', syscalls })).toThrow(/keyctl/);
    // There nothing is allowed by it.
    expect(parse({ ...deny, syscalls }).groups).toHaveLength(1);
    expect(parse({ ...allow, syscalls: [{ names: ['set_tls', 'recv', 'keyctl'], action: 'SCMP_ACT_ERRNO' }] }).groups).toHaveLength(1);
    expect(parse({ ...deny, syscalls: [{ names: ['of_a_later_kernel'], action: 'SCMP_ACT_ALLOW' }] }).groups).toHaveLength(1);
    // Neither does a line in the log refuse.
    expect(parse({ ...allow, syscalls: [{ names: ['of_a_later_kernel'], action: 'SCMP_ACT_LOG' }] }).groups).toHaveLength(1);
  });
});

describe('what a profile asks for beside its rules', () => {
  it('are flags, those that change something', () => {
    const flags = (...names: string[]) => parse({ ...allow, flags: names.map((name) => `SECCOMP_FILTER_FLAG_${name}`) }).flags;
    expect([flags(), flags('TSYNC', 'WAIT_KILLABLE_RECV'), flags('LOG'), flags('LOG', 'SPEC_ALLOW', 'LOG')]).toEqual([0, 0, 2, 6]);
    expect(() => flags('LOGS')).toThrow(/flags\[0\]/);
  });

  it('is somebody who is told, and until then the call is refused', () => {
    const rule = { names: ['mount'], action: 'SCMP_ACT_NOTIFY' } as const;
    expect(parse({ ...allow, syscalls: [rule] })).toMatchObject({ notifies: true, groups: [{ action: { errno: 1 } }] });
    expect(parse({ defaultAction: 'SCMP_ACT_NOTIFY' })).toMatchObject({ notifies: true, defaultAction: { errno: 1 } });
    expect(parse({ ...allow, syscalls: [] }).notifies).toBe(false);
  });

  it("is nothing that can't be had", () => {
    const profile = parse({ ...allow, flags: ['SECCOMP_FILTER_FLAG_TSYNC'] });
    expect(refuseUnsupported(profile)).toBe(profile);
    expect(() => refuseUnsupported(parse({ ...allow, listenerPath: '/run/agent.sock' }))).toThrow(
      expect.objectContaining({ code: 'ERR_UNSUPPORTED', feature: expect.stringContaining('listenerPath') }),
    );
  });
});

describe('a profile is read as zod reads it', () => {
  const conditions = { caps: ['CAP_SYS_ADMIN', 'bpf'], arches: ['amd64'], minKernel: '5.11' };
  const args = [
    { index: 0, op: 'SCMP_CMP_MASKED_EQ', value: 0xf0, valueTwo: 0x31n },
    { index: 5, op: 'SCMP_CMP_GE', value: 2n ** 64n - 1n, valueTwo: null },
  ];
  const whole = {
    ...{ defaultAction: 'SCMP_ACT_ERRNO', defaultErrno: 'ENOSYS', defaultErrnoRet: 38, flags: ['SECCOMP_FILTER_FLAG_LOG'] },
    archMap: [{ architecture: 'SCMP_ARCH_X86_64', subArchitectures: ['SCMP_ARCH_X86'] }],
    syscalls: [
      { names: ['ioctl', 'of_a_later_kernel'], action: 'SCMP_ACT_ALLOW', args, includes: conditions, excludes: conditions, comment: 'x' },
      { name: 'read', action: 'SCMP_ACT_ERRNO', errno: 'EACCES', errnoRet: 13 },
      { names: ['mount'], action: 'SCMP_ACT_NOTIFY', errnoRet: null },
      { names: ['ptrace'], action: 'SCMP_ACT_TRACE', errnoRet: 0xffff },
    ],
    ...{ listenerPath: '/run/agent', listenerMetadata: 'm' },
  };
  const { archMap: _, ...rest } = whole;
  const allowing = {
    ...rest,
    defaultAction: 'SCMP_ACT_ALLOW',
    defaultErrno: null,
    defaultErrnoRet: null,
    architectures: ['SCMP_ARCH_X86'],
  };
  const others = { ...allowing, syscalls: whole.syscalls.map((rule) => ({ ...rule, names: ['read'], name: null })) };
  const odd = fc.oneof(
    fc.constantFrom<unknown>(REMOVED, null, true, '', 'read', 'a b', 'SCMP_ACT_ALLOW', 'SCMP_ACT_LOG', 'SCMP_ACT_ERRNO', 'ALLOW'),
    fc.constantFrom<unknown>('EPERM', 'EPREM', 'CAP_CHOWN', 'CAP_COWN', '5', '5.1', 'SCMP_ARCH_X86', 'SCMP_CMP_EQ', 'arm64'),
    fc.constantFrom<unknown>(0, 1, -1, 5, 6, 1.5, 4095, 4096, 0x10000, 2 ** 53, Number.NaN, 0n, -1n, 2n ** 64n, 2n ** 64n - 1n),
    fc.constantFrom<unknown>([], {}, [{}], [null], ['read'], { more: 1 }, { action: 'SCMP_ACT_ALLOW', name: 'keyctrl' }),
  );

  it('whole, and with anything else in any place', () => {
    const schema = profileField.schema();
    for (const profile of [whole, others]) expect(profileField.read(profile)).not.toBe(WRONG);
    for (const profile of [whole, allowing, others]) {
      expectSame(profileField, profile, schema);
      for (const changed of changedOnce(profile)) expectSame(profileField, changed, schema);
      fc.assert(
        fc.property(changedOften(profile, odd), (changed) => expectSame(profileField, changed, schema)),
        { numRuns: 500 },
      );
    }
    expectSame(profileField, { ...whole, more: undefined }, schema);
    expectSame(profileField, { ...whole, syscalls: Array.from({ length: 65 }, () => whole.syscalls[0]) }, schema);
    const many = { names: ['read'], action: 'SCMP_ACT_ALLOW', args: Array.from({ length: 65 }, () => args[0]) };
    expectSame(profileField, { ...whole, syscalls: [many] }, schema);
  });
});

import { beforeAll, expect, it } from 'vitest';
import { type CapabilityName, capabilityMask } from '../../../lib/plan/capability-names.js';
import type { Action } from '../../../lib/security/profile.js';
import { compileDefault } from '../../../lib/security/seccomp.js';
import { syscallTable } from '../../../lib/security/syscalls/tables.js';
import { requires } from '../../fixtures/requires.js';
import { temporaryFolder } from '../../fixtures/temporary.js';
import { ALLOW, audit, ENOSYS, EPERM, runFilter } from './interpreter.js';
import { ORACLE_TOOLS, Oracle, type OracleRule, targets } from './oracle.js';
import { refused } from './refused.js';

/** For the first two arguments: around the values that rules look at. */
const words = [
  ...[0, 1, 2, 17, 37, 38, 39, 40, 41, 0x80, 0x5411, 0x5412, 0x5413, 0x541b, 0x541c, 0x541d],
  ...[0x3d_0f00, 0x2_0000, 0x200_0000, 0x400_0000, 0x800_0000, 0x1000_0011, 0x2000_0000, 0x4000_0000, 0x100_0000, 0xffff_ffff],
];

/** What is decided by arguments; personality(2) is not compared. */
const conditionalOf = (arch: number, capabilities: readonly CapabilityName[]): string[] =>
  [
    ...['fcntl', 'ioctl', 'socket'],
    ...(capabilities.includes('SYS_ADMIN') ? [] : ['clone', 'unshare']),
    ...(arch === audit.i386 ? ['fcntl64', 'socketcall'] : []),
  ].sort();

/** Each lifts other rules. */
const sets: readonly (readonly CapabilityName[])[] = [
  [],
  ['SYS_ADMIN', 'SYS_CHROOT'],
  ['BPF', 'PERFMON', 'SYSLOG', 'SYS_BOOT', 'SYS_PACCT'],
  ['SYS_TIME', 'SYS_NICE', 'SYS_PTRACE', 'SYS_MODULE', 'DAC_READ_SEARCH', 'SYS_RAWIO', 'SYS_TTY_CONFIG'],
];

const refuse: Action = { errno: 1 };
const namespaceFlags = [0x2_0000, 0x200_0000, 0x400_0000, 0x800_0000, 0x1000_0000, 0x2000_0000, 0x4000_0000];

/** The default list once more, by what is refused: the other way round. personality(2) is left out: it has one comparison too many. */
function refusals(capabilities: readonly CapabilityName[]): OracleRule[] {
  const always = refused.filter(([, by]) => !by.some((name) => capabilities.includes(name))).map(([name]) => ({ action: refuse, name }));
  const low = (name: string, index: number, mask: number, valueTwo: number): OracleRule => ({
    action: refuse,
    name,
    args: [{ index, op: 'MASKED_EQ', value: mask, valueTwo }],
  });
  return [
    ...always,
    ...(capabilities.includes('SYS_ADMIN')
      ? []
      : [
          { action: { errno: 38 }, name: 'clone3' },
          ...namespaceFlags.flatMap((flag) => [low('clone', 0, flag, flag), low('unshare', 0, flag, flag)]),
          low('unshare', 0, 0x80, 0x80),
        ]),
    ...(capabilities.includes('SYS_CHROOT') ? [] : [{ action: refuse, name: 'chroot' }]),
    low('socket', 0, 0xffff_ffff, 38),
    low('socket', 0, 0xffff_ffff, 40),
    low('ioctl', 1, 0xffff_ffff, 0x5412),
    low('ioctl', 1, 0xffff_ffff, 0x541c),
    low('fcntl', 1, 0xffff_ffff, 1024),
    low('fcntl64', 1, 0xffff_ffff, 1024),
  ];
}

requires({ tools: ORACLE_TOOLS }).describe('libseccomp, an independent compiler of the same list', () => {
  const folder = temporaryFolder();
  let oracle: Oracle;
  beforeAll(() => {
    oracle = new Oracle(folder);
  });

  it.each([...targets, { name: 'aarch64', abi: 'arm64' } as const])('has the numbers of our table for $name', ({ name, abi }) => {
    const known = oracle.names(name);
    expect(known.size).toBeGreaterThan(280);
    const ours = syscallTable(abi);
    expect([...known].filter(([number, call]) => !ours.get(call)?.includes(number))).toEqual([]);
  });

  it.each(targets.flatMap((target) => sets.map((capabilities) => ({ ...target, capabilities }))))(
    'agrees on every call of $name with $capabilities',
    ({ name, arch, bit, capabilities }) => {
      const theirs = oracle.filter('allow', [name], refusals(capabilities)) ?? expect.fail('contradictions');
      const ours = compileDefault({ arch: 'x86_64', capabilities: capabilityMask(...capabilities) });
      const known = oracle.names(name);
      const highs = arch === audit.i386 ? [0n] : [0n, 1n << 32n, 0xffff_ffffn << 32n];
      const compare = (number: number, call: string, args: readonly bigint[]): boolean => {
        const asked = { arch, nr: number | bit, args };
        const [mine, other] = [runFilter(ours, asked), runFilter(theirs, asked)];
        // Their rule about socket(2) becomes one about socketcall(2) on i386 as well; only the errno is ours.
        const expected = call === 'socketcall' && other.verdict === EPERM ? ENOSYS : other.verdict;
        if (mine.verdict !== expected)
          expect.fail(`${call}(${args.map(String).join(', ')}) is ${mine.verdict.toString(16)}, not ${expected.toString(16)}`);
        if (mine.verdict === EPERM) refusedHere.add(call);
        if (mine.verdict === ALLOW) allowed.add(call);
        return mine.asksArguments || other.asksArguments;
      };
      const [refusedHere, allowed, conditional] = [new Set<string>(), new Set<string>(), new Set<string>()];
      for (const [number, call] of known) {
        if (call === 'personality') continue;
        // Of most calls neither filter looks at arguments: then they agree on all, and need not be asked again.
        if (!compare(number, call, [])) continue;
        conditional.add(call);
        for (const word of words.flatMap((low) => highs.map((high) => BigInt(low) | high))) {
          compare(number, call, [word]);
          compare(number, call, [3n, word]);
        }
      }
      expect(refusedHere.size).toBeGreaterThan(30);
      expect(allowed.size).toBeGreaterThan(230);
      expect([...conditional].sort()).toEqual(conditionalOf(arch, capabilities));
    },
  );
});

import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, expect, it } from 'vitest';
import { type CapabilityName, capabilityMask } from '../../../lib/plan/capability-names.js';
import { compileDefault } from '../../../lib/security/seccomp.js';
import { type Abi, syscallTable } from '../../../lib/security/syscalls/tables.js';
import { requires } from '../../fixtures/requires.js';
import { temporaryFolder } from '../../fixtures/temporary.js';
import { audit, ENOSYS, EPERM, runFilter, x32Bit } from './interpreter.js';

interface Target {
  /** libseccomp's name. */
  readonly name: string;
  readonly abi: Abi;
  readonly arch: number;
  readonly bit: number;
}

const targets: readonly Target[] = [
  { name: 'x86_64', abi: 'x86_64', arch: audit.x86_64, bit: 0 },
  { name: 'x32', abi: 'x86_64', arch: audit.x86_64, bit: x32Bit },
  { name: 'x86', abi: 'i386', arch: audit.i386, bit: 0 },
];

/** For the first two arguments: around the values that rules look at. */
const words = [
  ...[0, 1, 2, 17, 37, 38, 39, 40, 41, 0x80, 0x5411, 0x5412, 0x5413, 0x541b, 0x541c, 0x541d],
  ...[0x3d_0f00, 0x2_0000, 0x200_0000, 0x400_0000, 0x800_0000, 0x1000_0011, 0x2000_0000, 0x4000_0000, 0x100_0000, 0xffff_ffff],
];

/** What is decided by arguments, whatever the capabilities are; personality(2) is not compared. */
const conditionalOf = (arch: number): string[] =>
  ['clone', 'fcntl', 'ioctl', 'socket', 'unshare', ...(arch === audit.i386 ? ['fcntl64', 'socketcall'] : [])].sort();

/** Each lifts other rules. */
const sets: readonly (readonly CapabilityName[])[] = [
  [],
  ['SYS_ADMIN', 'SYS_CHROOT'],
  ['BPF', 'PERFMON', 'SYSLOG', 'SYS_BOOT', 'SYS_PACCT'],
  ['SYS_TIME', 'SYS_NICE', 'SYS_PTRACE', 'SYS_MODULE', 'DAC_READ_SEARCH', 'SYS_RAWIO', 'SYS_TTY_CONFIG'],
];

// A header is no program; where it is missing, its package is named as the thing that is not there.
const library = existsSync('/usr/include/seccomp.h') ? [] : ['libseccomp-dev'];

requires({ tools: ['gcc', ...library] }).describe('libseccomp, an independent compiler of the same list', () => {
  const oracle = join(temporaryFolder(), 'seccomp-oracle');

  beforeAll(() => {
    const source = fileURLToPath(new URL('../../fixtures/programs/seccomp-oracle.c', import.meta.url));
    execFileSync('gcc', ['-O1', '-Wall', '-Wextra', '-Werror', '-o', oracle, source, '-lseccomp']);
  });

  /** What libseccomp knows, by number. */
  const namesOf = (target: string): Map<number, string> => {
    const lines = execFileSync(oracle, ['names', target], { encoding: 'utf8' }).trim().split('\n');
    return new Map(lines.map((line) => line.split(' ')).map(([number, name = '']) => [Number(number), name]));
  };

  it.each([...targets, { name: 'aarch64', abi: 'arm64' } as const])('has the numbers of our table for $name', ({ name, abi }) => {
    const known = namesOf(name);
    expect(known.size).toBeGreaterThan(280);
    const ours = syscallTable(abi);
    expect([...known].filter(([number, call]) => !ours.get(call)?.includes(number))).toEqual([]);
  });

  it.each(targets.flatMap((target) => sets.map((capabilities) => ({ ...target, capabilities }))))(
    'agrees on every call of $name with $capabilities',
    ({ name, arch, bit, capabilities }) => {
      const theirs = execFileSync(oracle, ['filter', name, ...capabilities]);
      const ours = compileDefault({ arch: 'x86_64', capabilities: capabilityMask(...capabilities) });
      const known = namesOf(name);
      const highs = arch === audit.i386 ? [0n] : [0n, 1n << 32n, 0xffff_ffffn << 32n];
      const compare = (number: number, call: string, args: readonly bigint[]): boolean => {
        const asked = { arch, nr: number | bit, args };
        const [mine, other] = [runFilter(ours, asked), runFilter(theirs, asked)];
        // Their rule about socket(2) becomes one about socketcall(2) on i386 as well; only the errno is ours.
        const expected = call === 'socketcall' && other.verdict === EPERM ? ENOSYS : other.verdict;
        if (mine.verdict !== expected)
          expect.fail(`${call}(${args.map(String).join(', ')}) is ${mine.verdict.toString(16)}, not ${expected.toString(16)}`);
        if (mine.verdict === EPERM) refused.add(call);
        return mine.asksArguments || other.asksArguments;
      };
      const refused = new Set<string>();
      const conditional = new Set<string>();
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
      expect(refused.size).toBeGreaterThan(30);
      expect([...conditional].sort()).toEqual(conditionalOf(arch));
    },
  );
});

import { existsSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { beforeAll, expect, it } from 'vitest';
import { parseOptions } from '../../../../lib/options/parse-options.js';
import { type CapabilityName, capabilityMask } from '../../../../lib/plan/capability-names.js';
import { compiledProfile } from '../../../../lib/security/oci-profile/compiled-profile.js';
import { defaultDocument } from '../../../../lib/security/oci-profile/profile-document.js';
import { profileField } from '../../../../lib/security/oci-profile/profile-field.js';
import type { SeccompProfile, SeccompRule } from '../../../../lib/security/oci-profile/profile-types.js';
import type { Action, Operator } from '../../../../lib/security/profile.js';
import { compileDefault } from '../../../../lib/security/seccomp.js';
import { syscallTable } from '../../../../lib/security/syscalls/tables.js';
import { requires } from '../../../fixtures/requires.js';
import { rounds } from '../../../fixtures/rounds.js';
import { temporaryFolder } from '../../../fixtures/temporary.js';
import { runFilter, x32Bit } from '../interpreter.js';
import { ORACLE_TOOLS, Oracle, type OracleRule, type Target, targets } from '../oracle.js';
import { calls, profileOf, returned, type Shape, strictness, verdicts, word } from './profile-model.js';

/** podman's profile: the package containers-common has it, or golang-github-containers-common. */
const PODMAN = '/usr/share/containers/seccomp.json';

/** The action of which a filter returns this. */
function actionOf({ action, errnoRet }: Pick<SeccompRule, 'action' | 'errnoRet'>): Action {
  switch (action) {
    case 'SCMP_ACT_ERRNO':
      return { errno: errnoRet ?? 1 };
    case 'SCMP_ACT_TRACE':
      return { trace: errnoRet ?? 1 };
    case 'SCMP_ACT_ALLOW':
      return 'allow';
    case 'SCMP_ACT_LOG':
      return 'log';
    case 'SCMP_ACT_TRAP':
      return 'trap';
    case 'SCMP_ACT_KILL_PROCESS':
      return 'kill-process';
    default:
      return 'kill-thread';
  }
}

/** As runc hands them to libseccomp. */
function rulesFor({ defaultAction, defaultErrnoRet, syscalls }: SeccompProfile): OracleRule[] {
  const otherwise = returned(defaultAction, defaultErrnoRet ?? 1);
  return (syscalls ?? [])
    .filter(({ action, errnoRet }) => returned(action, errnoRet ?? 1) !== otherwise)
    .flatMap((rule) =>
      (rule.names ?? []).map((name) => ({
        name,
        action: actionOf(rule),
        args: (rule.args ?? []).map((test) => ({ ...test, op: test.op.replace('SCMP_CMP_', '') as Operator })),
      })),
    );
}

const numberOf = ({ abi, bit }: Target, name: string): number =>
  (syscallTable(abi)
    .get(name)
    ?.at(bit === x32Bit ? -1 : 0) ?? -1) | bit;

requires({ tools: ORACLE_TOOLS }).describe('libseccomp, an independent compiler of profiles', () => {
  const folder = temporaryFolder();
  let oracle: Oracle;
  beforeAll(() => {
    oracle = new Oracle(folder);
  });

  const filterOf = (profile: SeccompProfile, capabilities: readonly CapabilityName[] = []): Uint8Array =>
    compiledProfile(parseOptions(profileField.schema(), profile, 'seccomp'), {
      arch: 'x86_64',
      capabilities: capabilityMask(...capabilities),
      kernel: '6.1.0',
    }).filter;

  // Of what libseccomp 2.5.4 merges of several rules with NE, LT or LE some decides calls otherwise than any of the rules does, so those are
  // compared one by one; and on ABIs of 32 bits LE beside another test is taken for its contrary.
  const random: readonly [string, Shape][] = [
    ['one rule for each call', { isPlain: true, isOneRuleEach: true }],
    [
      'rules with one action',
      { isPlain: true, tests: 2, isOneAction: true, operators: ['SCMP_CMP_EQ', 'SCMP_CMP_MASKED_EQ', 'SCMP_CMP_GE'] },
    ],
    ['rules that may contradict each other', { isPlain: true, tests: 2, operators: ['SCMP_CMP_EQ', 'SCMP_CMP_MASKED_EQ'] }],
  ];

  it.each(targets.flatMap((target) => random.map(([what, shape]) => ({ ...target, what, shape }))))(
    'agrees on $what for $name',
    ({ what, shape, ...target }) => {
      const asked = fc.record({ name: fc.constantFrom(...calls), args: fc.tuple(word, word, word) });
      const bits = target.name === 'x86_64' ? 64 : 32;
      const isMisread = ({ args }: SeccompRule) => bits === 32 && (args?.length ?? 0) > 1 && args?.some(({ op }) => op === 'SCMP_CMP_LE');
      let [compared, contradicting] = [0, 0];
      fc.assert(
        fc.property(profileOf(shape), fc.array(asked, { minLength: 30, maxLength: 30 }), (random, asked) => {
          fc.pre(!random.syscalls?.some(isMisread));
          const otherwise = actionOf({ action: random.defaultAction, errnoRet: random.defaultErrnoRet });
          const theirs = oracle.filter(otherwise, [target.name], rulesFor(random));
          fc.pre(theirs !== null);
          const mine = filterOf({ ...random, syscalls: [...(random.syscalls ?? []), { names: ['openat2'], action: 'SCMP_ACT_ALLOW' }] });
          for (const call of asked) {
            const seen = { arch: target.arch, nr: numberOf(target, call.name), args: call.args };
            const [own = 0, other = 0] = [mine, theirs].map((filter) => runFilter(filter, seen).verdict);
            const holding = new Set(verdicts(random, { ...call, bits }));
            if (holding.size === 1) {
              compared++;
              expect(own.toString(16)).toBe(other.toString(16));
            } else {
              // libseccomp takes one of them, by an order of its own.
              contradicting++;
              expect(holding).toContain(other);
              expect(strictness(own)).toBeLessThanOrEqual(strictness(other));
            }
          }
        }),
        // libseccomp merges some rules of 32 bits wrongly: always other profiles are for who then looks at each difference
        { numRuns: rounds(60, 1000), ...(rounds(0, 1) === 0 ? { seed: 20_261_127 } : {}) },
      );
      expect(compared).toBeGreaterThan(500);
      // how many of a few random profiles contradict themselves is chance
      if (what !== 'rules that may contradict each other') expect(contradicting).toBe(0);
    },
  );

  const podman = existsSync(PODMAN) || process.env.NACELLE_MUST_RUN === '1' ? it : it.skip;
  const sets: readonly (readonly CapabilityName[])[] = [
    [],
    ['SYS_ADMIN', 'AUDIT_WRITE'],
    ['SYS_CHROOT', 'DAC_READ_SEARCH', 'SYS_TIME', 'SYS_PTRACE'],
  ];
  podman.each(targets.flatMap((target) => sets.map((capabilities) => ({ ...target, capabilities }))))(
    "agrees on every call of podman's profile for $name with $capabilities",
    ({ capabilities, ...target }) => {
      const profile = JSON.parse(readFileSync(PODMAN, 'utf8')) as SeccompProfile;
      const holds = (caps: readonly string[] | null | undefined): boolean[] =>
        (caps ?? []).map((name) => capabilities.some((capability) => name === `CAP_${capability}`));
      const applied = (profile.syscalls ?? []).filter(
        ({ includes, excludes }) =>
          holds(includes?.caps).every(Boolean) &&
          !holds(excludes?.caps).some(Boolean) &&
          (includes?.arches ?? ['amd64']).includes('amd64') &&
          !excludes?.arches?.includes('amd64'),
      );
      const theirs =
        oracle.filter({ errno: 38 }, [target.name], rulesFor({ ...profile, syscalls: applied })) ?? expect.fail('contradictions');
      const mine = filterOf(profile, capabilities);
      const words = [0n, 1n, 2n, 8n, 9n, 10n, 16n, 17n, 0x2_0000n, 0x2_0008n, 0xffff_ffffn, 0x7e02_0000n, 1n << 32n, (1n << 32n) | 16n];
      let different = 0;
      for (const [number, name] of oracle.names(target.name)) {
        const nr = number | target.bit;
        const first = [mine, theirs].map((filter) => runFilter(filter, { arch: target.arch, nr }));
        const grid = first.some(({ asksArguments }) => asksArguments)
          ? words.flatMap((a) => words.map((c) => [a, 0n, c] as const))
          : [[] as const];
        for (const args of grid) {
          const [own, other] = [mine, theirs].map((filter) => runFilter(filter, { arch: target.arch, nr, args }).verdict.toString(16));
          expect([name, args, own]).toEqual([name, args, other]);
        }
        if (first[0]?.verdict !== first[1]?.verdict) different++;
      }
      expect(different).toBe(0);
    },
  );

  it.each(targets)("makes nacelle's own filter for $name of its document", (target) => {
    const capabilities = capabilityMask('SYS_ADMIN', 'CHOWN');
    for (const mask of [0n, capabilities]) {
      const theirs =
        oracle.filter({ errno: 1 }, [target.name], rulesFor(defaultDocument({ arch: 'x86_64', capabilities: mask }))) ??
        expect.fail('contradictions');
      const mine = compileDefault({ arch: 'x86_64', capabilities: mask });
      const words = [
        0n,
        1n,
        8n,
        37n,
        38n,
        39n,
        40n,
        41n,
        1024n,
        1025n,
        0x5412n,
        0x541cn,
        0x2_0008n,
        0x7e02_0000n,
        0xffff_ffffn,
        (1n << 32n) | 38n,
      ];
      for (const [number, name] of oracle.names(target.name)) {
        const nr = number | target.bit;
        for (const args of words.flatMap((first) => words.map((second) => [first, second] as const))) {
          // libseccomp allows what some socket(2) may do for all of i386's older way to make one
          if (target.name === 'x86' && name === 'socketcall' && Number(BigInt.asUintN(32, args[0])) === 1) continue;
          const [own, other] = [mine, theirs].map((filter) => runFilter(filter, { arch: target.arch, nr, args }));
          expect([name, args, own?.verdict.toString(16)]).toEqual([name, args, other?.verdict.toString(16)]);
          if (!own?.asksArguments && !other?.asksArguments) break;
        }
      }
    }
  });
});

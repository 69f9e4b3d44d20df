import fc from 'fast-check';
import type {
  SeccompAction,
  SeccompArgument,
  SeccompOperator,
  SeccompProfile,
  SeccompRule,
} from '../../../../lib/security/oci-profile/profile-types.js';

// What profiles mean, written down once more and the slow way: each call is looked at by itself.

/** What a filter returns, by linux/seccomp.h. */
export function returned(action: SeccompAction, errno = 1): number {
  const values = {
    SCMP_ACT_KILL: 0,
    SCMP_ACT_KILL_THREAD: 0,
    SCMP_ACT_KILL_PROCESS: 0x8000_0000,
    SCMP_ACT_TRAP: 0x3_0000,
    SCMP_ACT_ERRNO: 0x5_0000 + errno,
    SCMP_ACT_NOTIFY: 0x7fc0_0000,
    SCMP_ACT_TRACE: 0x7ff0_0000 + errno,
    SCMP_ACT_LOG: 0x7ffc_0000,
    SCMP_ACT_ALLOW: 0x7fff_0000,
  };
  return values[action];
}

/** The actions from the strictest on, as seccomp(2) has them. */
const order = [0x8000, 0, 0x3, 0x5, 0x7fc0, 0x7ff0, 0x7ffc, 0x7fff];

/** The place of a verdict in the order; the lower one holds. */
export function strictness(verdict: number): number {
  return order.indexOf(verdict >>> 16);
}

export interface AskedCall {
  readonly name: string;
  readonly args: readonly bigint[];
  /** How much of an argument the ABI has. */
  readonly bits: 32 | 64;
}

/** The verdicts of the rules that hold for a call; the default's where none does. The first of those that are equally strict counts. */
export function verdicts(profile: SeccompProfile, call: AskedCall): number[] {
  const otherwise = returned(profile.defaultAction, profile.defaultErrnoRet ?? 1);
  const rules = (profile.syscalls ?? [])
    .filter(({ names }) => names?.includes(call.name))
    .map((rule) => ({ verdict: returned(rule.action, rule.errnoRet ?? 1), tests: alternatives(rule, call.bits) }))
    .filter(({ verdict }) => verdict !== otherwise);
  const plain = rules.find(({ tests }) => tests.some((all) => all.length === 0));
  if (plain) return [plain.verdict];
  const holding = rules.filter(({ tests }) => tests.some((all) => all.every((test) => holds(test, call))));
  return holding.length > 0 ? holding.map(({ verdict }) => verdict) : [otherwise];
}

/** The one that decides. */
export function verdictOf(profile: SeccompProfile, call: AskedCall): number {
  return verdicts(profile, call).reduce((best, verdict) => (strictness(verdict) < strictness(best) ? verdict : best));
}

/** Lists of tests, one of which must hold as a whole. A comparison of no bits is none. */
function alternatives({ args }: SeccompRule, bits: 32 | 64): SeccompArgument[][] {
  const all = [...(args ?? [])];
  const indexes = all.map(({ index }) => index);
  const lists = indexes.some((index, at) => indexes.indexOf(index) !== at) ? all.map((one) => [one]) : [all];
  return lists.map((tests) => tests.filter(({ op, value }) => op !== 'SCMP_CMP_MASKED_EQ' || BigInt.asUintN(bits, BigInt(value)) !== 0n));
}

const comparisons: Record<SeccompOperator, (argument: bigint, value: bigint, two: bigint) => boolean> = {
  SCMP_CMP_NE: (argument, value) => argument !== value,
  SCMP_CMP_LT: (argument, value) => argument < value,
  SCMP_CMP_LE: (argument, value) => argument <= value,
  SCMP_CMP_EQ: (argument, value) => argument === value,
  SCMP_CMP_GE: (argument, value) => argument >= value,
  SCMP_CMP_GT: (argument, value) => argument > value,
  SCMP_CMP_MASKED_EQ: (argument, value, two) => (argument & value) === (two & value),
};

function holds({ index, op, value, valueTwo }: SeccompArgument, { args, bits }: AskedCall): boolean {
  const [argument, one, two] = [args[index] ?? 0n, value, valueTwo ?? 0].map((word) => BigInt.asUintN(bits, BigInt(word)));
  return comparisons[op](argument ?? 0n, one ?? 0n, two ?? 0n);
}

/** Words whose halves are often equal: those are what matters. */
const halves = [0n, 1n, 5n, 0x8000_0000n, 0xffff_ffffn];
export const word = fc.tuple(fc.constantFrom(...halves), fc.constantFrom(...halves)).map(([high, low]) => (high << 32n) | low);

const everyOperator = Object.keys(comparisons) as SeccompOperator[];

const errno = fc.constantFrom(1, 13, 38);
const action = fc.oneof(
  fc.record({ action: fc.constantFrom<SeccompAction>('SCMP_ACT_ERRNO', 'SCMP_ACT_TRACE'), errnoRet: errno }),
  fc.record({
    action: fc.constantFrom<SeccompAction>('SCMP_ACT_ALLOW', 'SCMP_ACT_LOG', 'SCMP_ACT_TRAP', 'SCMP_ACT_KILL', 'SCMP_ACT_KILL_PROCESS'),
  }),
);

/** Calls that all ABIs have, and none by way of another call. */
export const calls = ['read', 'write', 'openat', 'ioctl', 'futex', 'clone'];

export interface Shape {
  readonly operators?: readonly SeccompOperator[];
  /** How many tests a rule has at most. */
  readonly tests?: number;
  /** No two tests of a rule are about the same argument: what libseccomp takes as one rule. */
  readonly isPlain?: boolean;
  readonly isOneAction?: boolean;
  readonly isOneRuleEach?: boolean;
}

/** Profiles about `calls`. */
export function profileOf(shape: Shape = {}): fc.Arbitrary<SeccompProfile> {
  const { operators = everyOperator, tests = 3, isPlain = false, isOneAction = false, isOneRuleEach = false } = shape;
  const argument: fc.Arbitrary<SeccompArgument> = fc.record({
    index: fc.nat(2),
    op: fc.constantFrom(...operators),
    value: word,
    valueTwo: word,
  });
  const args = isPlain
    ? fc.uniqueArray(argument, { maxLength: tests, selector: ({ index }) => index })
    : fc.array(argument, { maxLength: tests });
  const names = fc.uniqueArray(fc.constantFrom(...calls), { minLength: 1, maxLength: isOneRuleEach ? 1 : 3 });
  const rule = fc.tuple(action, names, args);
  const rules = isOneRuleEach
    ? fc.uniqueArray(rule, { maxLength: calls.length, selector: ([, [name]]) => name })
    : fc.array(rule, { maxLength: 8 });
  return fc.tuple(action, action, rules).map(([{ action, ...rest }, same, rules]) => ({
    defaultAction: action,
    ...('errnoRet' in rest ? { defaultErrnoRet: rest.errnoRet } : {}),
    architectures: ['SCMP_ARCH_X86', 'SCMP_ARCH_X32'],
    syscalls: rules.map(([own, names, args]): SeccompRule => ({ ...(isOneAction ? same : own), names, args })),
  }));
}

import type { ParsedDeviceRule } from '../../options/limits.js';
import { effectiveRules } from './device-rules.js';

// BPF for the device controller of cgroup v2: the kernel runs it with a struct bpf_cgroup_dev_ctx before a device node is opened
// or made, and 0 forbids (linux/bpf.h; Documentation/bpf/standardization/instruction-set.rst).

const OP = {
  /** dst = *(u32 *)(src + offset) */
  load: 0x61,
  /** dst = immediate, src; the upper half is zeroed */
  move: 0xb4,
  moveRegister: 0xbc,
  and: 0x54,
  shiftRight: 0x74,
  ifEqual: 0x15,
  ifNotEqual: 0x55,
  exit: 0x95,
} as const;

/** BPF_DEVCG_DEV_* and BPF_DEVCG_ACC_*. */
const TYPE = { b: 1, c: 2 } as const;
const ACCESS: Readonly<Record<string, number>> = { m: 1, r: 2, w: 4 };

/** Registers: the result, the context, then ours. */
const R = { result: 0, context: 1, type: 2, wanted: 3, major: 4, minor: 5, common: 6 } as const;

interface Instruction {
  readonly code: number;
  readonly to: number;
  readonly from?: number;
  /** For a jump: how many of the following instructions are skipped. */
  readonly offset?: number;
  readonly value?: number;
}

/**
 * Compiles rules to struct bpf_insn[]. For each letter of an access the last rule that fits decides, so the program tests the rules from
 * last to first: letters that a rule allows need no further test, and a letter that it forbids ends the program.
 */
export function compileDeviceFilter(rules: readonly ParsedDeviceRule[]): Uint8Array {
  const effective = effectiveRules(rules);
  return encode([
    { code: OP.load, to: R.type, from: R.context, offset: 0 },
    { code: OP.moveRegister, to: R.wanted, from: R.type },
    { code: OP.shiftRight, to: R.wanted, value: 16 },
    { code: OP.and, to: R.type, value: 0xffff },
    { code: OP.load, to: R.major, from: R.context, offset: 4 },
    { code: OP.load, to: R.minor, from: R.context, offset: 8 },
    ...effective.rules.toReversed().flatMap(compileRule),
    ...answer(effective.allows),
  ]);
}

function answer(allow: boolean): Instruction[] {
  return [
    { code: OP.move, to: R.result, value: allow ? 1 : 0 },
    { code: OP.exit, to: 0 },
  ];
}

/** Tests that jump past the rule when it doesn't fit, then what it does. */
function compileRule({ type, major, minor, access, allow }: ParsedDeviceRule): Instruction[] {
  const bits = [...access].reduce((all, letter) => all | (ACCESS[letter] ?? 0), 0);
  const decide: Instruction[] = allow
    ? [{ code: OP.and, to: R.wanted, value: ~bits }, { code: OP.ifNotEqual, to: R.wanted, value: 0, offset: 2 }, ...answer(true)]
    : [
        { code: OP.moveRegister, to: R.common, from: R.wanted },
        { code: OP.and, to: R.common, value: bits },
        { code: OP.ifEqual, to: R.common, value: 0, offset: 2 },
        ...answer(false),
      ];
  const tests = [
    ...(type === 'a' ? [] : [[R.type, TYPE[type]] as const]),
    ...(major === undefined ? [] : [[R.major, major] as const]),
    ...(minor === undefined ? [] : [[R.minor, minor] as const]),
  ];
  return [
    ...tests.map(([register, value], i) => ({
      code: OP.ifNotEqual,
      to: register,
      value,
      offset: tests.length - 1 - i + decide.length,
    })),
    ...decide,
  ];
}

function encode(instructions: readonly Instruction[]): Uint8Array {
  const bytes = Buffer.alloc(instructions.length * 8);
  instructions.forEach(({ code, to, from = 0, offset = 0, value = 0 }, i) => {
    bytes.writeUInt8(code, i * 8);
    // nacelle's architectures are little-endian: the destination is the lower half of the byte
    bytes.writeUInt8(to | (from << 4), i * 8 + 1);
    bytes.writeInt16LE(offset, i * 8 + 2);
    bytes.writeInt32LE(value | 0, i * 8 + 4);
  });
  return bytes;
}

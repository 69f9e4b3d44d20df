import type { Assembler, Label } from './bpf.js';
import type { ArgumentTest, Operator } from './profile.js';

/** struct seccomp_data: int nr; u32 arch; u64 instruction_pointer; u64 args[6]. */
const argsOffset = 16;
const low32 = 0xffff_ffffn;

/** Where the low half of an argument is. */
export function argumentOffset(index: number): number {
  return argsOffset + index * 8;
}

/** Emits a condition on an argument: one or two comparisons of 32 bits, since the accumulator has no more. */
export function emitArgumentTest(assembler: Assembler, test: ArgumentTest, yes: Label, no: Label): void {
  const offset = argumentOffset(test.index);
  const value = halvesOf(test.value);
  const wide = test.bits !== 32;

  /** Goes to `yes` when the argument, masked, is the value. A half of which no bit counts is not looked at. */
  const equal = (mask: Halves, yes: Label, no: Label) => {
    const halves = [
      ...(wide ? [{ at: offset + 4, bits: mask.high, wanted: value.high }] : []),
      { at: offset, bits: mask.low, wanted: value.low },
    ].filter(({ bits, wanted }) => bits !== 0 || wanted !== 0);
    for (const [index, { at, bits, wanted }] of halves.entries()) {
      assembler.load(at);
      if (bits !== 0xffff_ffff) assembler.and(bits);
      const next = index === halves.length - 1 ? yes : assembler.label();
      assembler.branch('jeq', wanted, next, no);
      if (next !== yes) assembler.place(next);
    }
    // Nothing is asked, so all arguments will do.
    if (halves.length === 0) assembler.branch('jge', 0, yes, yes);
  };

  /** Goes to `yes` when the argument is greater than the value: by its high half, or by the low one where the high halves are equal. */
  const greater = (comparison: 'jgt' | 'jge', yes: Label, no: Label) => {
    if (wide) {
      const [notGreater, next] = [assembler.label(), assembler.label()];
      assembler.load(offset + 4);
      assembler.branch('jgt', value.high, yes, notGreater);
      assembler.place(notGreater);
      assembler.branch('jeq', value.high, next, no);
      assembler.place(next);
    }
    assembler.load(offset);
    assembler.branch(comparison, value.low, yes, no);
  };

  const emit: Record<Operator, () => void> = {
    EQ: () => equal(everything, yes, no),
    NE: () => equal(everything, no, yes),
    MASKED_EQ: () => equal(test.mask === undefined ? everything : halvesOf(test.mask), yes, no),
    GT: () => greater('jgt', yes, no),
    GE: () => greater('jge', yes, no),
    LT: () => greater('jge', no, yes),
    LE: () => greater('jgt', no, yes),
  };
  emit[test.op]();
}

export interface Halves {
  readonly high: number;
  readonly low: number;
}

const everything: Halves = { high: 0xffff_ffff, low: 0xffff_ffff };

export function halvesOf(value: number | bigint): Halves {
  const bits = BigInt.asUintN(64, BigInt(value));
  return { high: Number(bits >> 32n), low: Number(bits & low32) };
}

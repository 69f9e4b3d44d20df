import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { emitArgumentTest } from '../../../lib/security/argument-test.js';
import { Assembler, type Comparison } from '../../../lib/security/bpf.js';
import type { ArgumentTest, Operator } from '../../../lib/security/profile.js';
import { runFilter } from './interpreter.js';

describe('Assembler', () => {
  it('writes struct sock_filter, little endian', () => {
    const assembler = new Assembler();
    const [yes, no] = [assembler.label(), assembler.label()];
    assembler.load(4);
    assembler.and(0xbfff_ffff);
    assembler.branch('jeq', 0xc000_003e, yes, no);
    assembler.place(no);
    assembler.ret(0x8000_0000);
    assembler.place(yes);
    assembler.ret(0x7fff_0000);
    expect(Buffer.from(assembler.assemble()).toString('hex').match(/.{16}/g)).toEqual([
      '2000000004000000',
      '54000000ffffffbf',
      '150001003e0000c0',
      '0600000000000080',
      '060000000000ff7f',
    ]);
  });

  it.each<[Comparison, number, boolean]>([
    ['jeq', 7, true],
    ['jeq', 6, false],
    ['jgt', 6, true],
    ['jgt', 7, false],
    ['jge', 7, true],
    ['jge', 8, false],
    ['jset', 4, true],
    ['jset', 8, false],
  ])('7 %s %i is %s', (comparison, k, expected) => {
    const assembler = new Assembler();
    const [yes, no] = [assembler.label(), assembler.label()];
    assembler.load(0);
    assembler.branch(comparison, k, yes, no);
    assembler.place(yes);
    assembler.ret(1);
    assembler.place(no);
    assembler.ret(0);
    expect(runFilter(assembler.assemble(), { arch: 0, nr: 7 }).verdict).toBe(Number(expected));
  });

  it('reaches labels at any distance, on both sides of a branch', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 600 }),
        fc.integer({ min: 0, max: 600 }),
        fc.integer({ min: 0, max: 600 }),
        (before, between, after) => {
          const assembler = new Assembler();
          const [first, second, yes, no] = [assembler.label(), assembler.label(), assembler.label(), assembler.label()];
          const fill = (count: number): void => {
            for (let index = 0; index < count; index++) assembler.ret(9);
          };
          assembler.load(0);
          assembler.branch('jge', 100, first, second);
          fill(before);
          assembler.place(first);
          assembler.branch('jge', 200, yes, no);
          assembler.place(second);
          assembler.branch('jge', 50, yes, no);
          fill(between);
          assembler.place(yes);
          assembler.ret(1);
          fill(after);
          assembler.place(no);
          assembler.ret(0);
          const filter = assembler.assemble();
          expect([10, 60, 150, 250].map((nr) => runFilter(filter, { arch: 0, nr }).verdict)).toEqual([0, 1, 0, 1]);
        },
      ),
      { numRuns: 60 },
    );
  });

  it.each([253, 254, 255, 256, 257])('jumps over %i instructions', (count) => {
    const assembler = new Assembler();
    const [yes, no] = [assembler.label(), assembler.label()];
    assembler.load(0);
    assembler.branch('jge', 1, yes, no);
    for (let index = 0; index < count; index++) assembler.ret(9);
    assembler.place(no);
    assembler.ret(0);
    assembler.place(yes);
    assembler.ret(1);
    const filter = assembler.assemble();
    expect([0, 1].map((nr) => runFilter(filter, { arch: 0, nr }).verdict)).toEqual([0, 1]);
    // A target past 255 costs a jump of its own, which moves the nearer target past it too.
    expect(filter.byteLength / 8).toBe(count + 4 + (count < 255 ? 0 : 2));
  });

  it('refuses a label that is missing or behind, and more than 4,096 instructions', () => {
    const missing = new Assembler();
    const nowhere = missing.label();
    missing.branch('jeq', 0, nowhere, nowhere);
    expect(() => missing.assemble()).toThrow(/not placed/);

    const backward = new Assembler();
    const start = backward.label();
    backward.place(start);
    backward.load(0);
    backward.branch('jeq', 0, start, start);
    expect(() => backward.assemble()).toThrow(/behind/);

    const long = new Assembler();
    for (let index = 0; index < 4096; index++) long.ret(0);
    expect(long.assemble()).toHaveLength(4096 * 8);
    expect(() => long.ret(0)).toThrow(/more than 4096/);

    const longByJumps = new Assembler();
    const [far, farther] = [longByJumps.label(), longByJumps.label()];
    longByJumps.branch('jeq', 0, far, farther);
    for (let index = 0; index < 4093; index++) longByJumps.ret(0);
    longByJumps.place(far);
    longByJumps.ret(1);
    longByJumps.place(farther);
    longByJumps.ret(2);
    expect(() => longByJumps.assemble()).toThrow(/4098/);
  });
});

describe('emitArgumentTest', () => {
  const compare: Record<Operator, (argument: bigint, value: bigint, mask: bigint) => boolean> = {
    EQ: (argument, value) => argument === value,
    NE: (argument, value) => argument !== value,
    LT: (argument, value) => argument < value,
    LE: (argument, value) => argument <= value,
    GT: (argument, value) => argument > value,
    GE: (argument, value) => argument >= value,
    MASKED_EQ: (argument, value, mask) => (argument & mask) === value,
  };
  const operators = Object.keys(compare) as Operator[];
  // Equal halves are what matters, so few different halves, and all pairs of them.
  const halves = [0n, 1n, 2n, 0x7fff_ffffn, 0x8000_0000n, 0xffff_fffen, 0xffff_ffffn];
  const words = halves.flatMap((high) => halves.map((low) => (high << 32n) | low));
  const low32 = 0xffff_ffffn;

  interface Condition {
    readonly op: Operator;
    readonly value: bigint;
    readonly mask?: bigint;
  }

  /** Every operator with every value, and each mask where it takes one. */
  const conditions = (values: readonly bigint[], masks: readonly bigint[]): Condition[] =>
    operators.flatMap((op) =>
      values.flatMap((value): Condition[] => (op === 'MASKED_EQ' ? masks.map((mask) => ({ op, value, mask })) : [{ op, value }])),
    );
  const holds = ({ op, value, mask = 0n }: Condition, argument: bigint): boolean => compare[op](argument, value, mask);

  /** Says of an argument whether the test holds. */
  function compiled(test: ArgumentTest): (argument: bigint) => boolean {
    const assembler = new Assembler();
    const [yes, no] = [assembler.label(), assembler.label()];
    emitArgumentTest(assembler, test, yes, no);
    assembler.place(yes);
    assembler.ret(1);
    assembler.place(no);
    assembler.ret(0);
    const filter = assembler.assemble();
    const others = Array<bigint>(test.index).fill(0n);
    return (argument) => runFilter(filter, { arch: 0, nr: 0, args: [...others, argument] }).verdict === 1;
  }

  it('compares all 64 bits, unsigned', () => {
    const masks = [0n, 1n, 0x7fff_ffff_8000_0000n, low32, low32 << 32n, (low32 << 32n) | low32];
    for (const [number, condition] of conditions(words, masks).entries()) {
      const said = compiled({ ...condition, index: number % 6 });
      const wrong = words.filter((argument) => said(argument) !== holds(condition, argument));
      expect(wrong, `${condition.op} ${condition.value}`).toEqual([]);
    }
  });

  it('compares the low 32 bits alone where it is told so', () => {
    for (const condition of conditions(halves, halves)) {
      const said = compiled({ ...condition, index: 1, bits: 32 });
      const wrong = words.filter((argument) => said(argument) !== holds(condition, argument & low32));
      expect(wrong, `${condition.op} ${condition.value}`).toEqual([]);
    }
  });
});

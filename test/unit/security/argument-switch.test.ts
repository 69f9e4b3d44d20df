import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compileProfile } from '../../../lib/security/seccomp.js';
import { syscallTable } from '../../../lib/security/syscalls/tables.js';
import { audit, errno, runFilter } from './interpreter.js';

/** Values whose halves are alike, so that either half alone does not tell them apart. */
const word = fc.constantFrom(0n, 1n, 7n, 0xffff_ffffn, 1n << 32n, (1n << 32n) | 1n, (7n << 32n) | 7n, 0xffff_ffff_ffff_ffffn);
const values = fc.array(word, { minLength: 2, maxLength: 6 });
const read = syscallTable('x86_64').get('read')?.[0] ?? -1;

function filterOf(wanted: readonly bigint[], bits: 32 | 64, more: readonly bigint[] = []): Uint8Array {
  const rules = wanted.map((value, at) => ({
    names: ['read'],
    action: { errno: 2 + at },
    args: [{ index: 1, op: 'EQ' as const, value, bits }],
  }));
  // a test of another argument, behind them
  const others = more.map((value) => ({ names: ['read'], action: 'trap' as const, args: [{ index: 2, op: 'EQ' as const, value }] }));
  return compileProfile({ defaultAction: { errno: 1 }, rules: [...rules, ...others] }, { arch: 'x86_64', capabilities: 0n });
}

describe('several values of one argument', () => {
  it.each([32, 64] as const)('are told apart by all %i bits, and the first of two equal ones decides', (bits) => {
    fc.assert(
      fc.property(values, word, (wanted, given) => {
        const same = (value: bigint): boolean => BigInt.asUintN(bits, value) === BigInt.asUintN(bits, given);
        const at = wanted.findIndex(same);
        const { verdict } = runFilter(filterOf(wanted, bits), { arch: audit.x86_64, nr: read, args: [0, given] });
        expect(verdict).toBe(errno(at < 0 ? 1 : 2 + at));
      }),
    );
  });

  it('leave the rules behind them alone', () => {
    const filter = filterOf([1n, 1n << 32n], 64, [5n]);
    const verdicts = [1, 5]
      .flatMap((third) => [0n, 1n, 1n << 32n].map((second) => [0, second, third]))
      .map((args) => runFilter(filter, { arch: audit.x86_64, nr: read, args }).verdict);
    const trap = 0x3_0000;
    expect(verdicts).toEqual([errno(1), errno(2), errno(3), trap, errno(2), errno(3)]);
  });

  it('take a load for each half, not for each value', () => {
    const steps = (count: number) =>
      runFilter(
        filterOf(
          Array.from({ length: count }, (_, value) => BigInt(value)),
          64,
        ),
        { arch: audit.x86_64, nr: read, args: [0, 99n] },
      ).steps;
    expect(steps(6) - steps(2)).toBe(4);
  });
});

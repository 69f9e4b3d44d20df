import { NacelleError } from '../../errors.js';
import type { Action, ArgumentTest, Rule } from '../profile.js';

/** What happens to a call for some values of one argument, or, without a test, for all. */
export interface Leaf {
  readonly action: Action;
  readonly test: ArgumentTest | null;
}

/** The low half of an argument: the bits that are known, and what they are. */
interface Known {
  readonly mask: bigint;
  readonly value: bigint;
}

const LOW = 0xffff_ffffn;

/**
 * Rules about one call, of which the first that holds decides, as leaves of which no two hold for the same value: their order is nothing. What no rule
 * decides has no leaf. The tests compare bits of the low half of one argument, the same in all, which is all that nacelle's own filter does. Pure.
 *
 * @throws NacelleError `ERR_INTERNAL` for other tests
 */
export function leavesOf(rules: readonly Rule[]): Leaf[] {
  const index = rules.flatMap(({ args = [] }) => args.map((test) => test.index))[0] ?? 0;
  const cases = rules.map(({ action, args = [] }) => ({ action, bits: bitsOf(args, index) }));
  const leaves: Leaf[] = [];
  const split = (known: Known): void => {
    const open = cases.find(({ bits }) => ((bits.value ^ known.value) & bits.mask & known.mask) === 0n);
    if (open === undefined) return;
    const unknown = open.bits.mask & ~known.mask;
    if (unknown === 0n) {
      const test: ArgumentTest = { index, op: 'MASKED_EQ', mask: Number(known.mask), value: Number(known.value) };
      leaves.push({ action: open.action, test: known.mask === 0n ? null : test });
      return;
    }
    const bit = 1n << BigInt(unknown.toString(2).length - 1);
    split({ mask: known.mask | bit, value: known.value });
    split({ mask: known.mask | bit, value: known.value | bit });
  };
  split({ mask: 0n, value: 0n });
  return leaves;
}

/** The bits that a rule compares; of a rule without a test none, which always holds. */
function bitsOf(args: readonly ArgumentTest[], index: number): Known {
  const [test, ...others] = args;
  if (test === undefined) return { mask: 0n, value: 0n };
  const mask = test.op === 'EQ' ? LOW : test.op === 'MASKED_EQ' ? BigInt(test.mask ?? 0) : null;
  if (mask === null || others.length > 0 || test.index !== index || test.bits !== 32)
    throw new NacelleError('a rule of the default filter can not be written as one of OCI', { code: 'ERR_INTERNAL' });
  return { mask: mask & LOW, value: BigInt(test.value) & mask & LOW };
}

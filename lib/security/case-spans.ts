import { maxInstructions, tooMany } from './bpf.js';
import type { Profile, Rule } from './profile.js';
import { type Abi, firstX32, syscallTable } from './syscalls/tables.js';

/** What a rule says about a call whose number is known. */
export type Case = Pick<Rule, 'action' | 'args'>;

/** Numbers from `from` up to the next span's are decided by the same cases. */
export interface CaseSpan {
  readonly from: number;
  readonly cases: readonly Case[];
}

/**
 * Which cases decide each number of an ABI: adjacent spans, from 0, the last of which has no end.
 *
 * @throws RangeError for more cases than a filter has room for
 */
export function spansOf({ defaultAction, newerAction = defaultAction, rules }: Profile, abi: Abi): CaseSpan[] {
  const table = syscallTable(abi);
  const byNumber = new Map<number, Case[]>();
  for (const { names, action, args } of rules) {
    const one: Case = { action, ...(args ? { args } : {}) };
    for (const number of names.flatMap((name) => table.get(name) ?? [])) {
      const cases = byNumber.get(number) ?? [];
      byNumber.set(number, cases);
      const last = cases.at(-1);
      if (!last || !isLast(last)) cases.push(one);
      // Each takes an instruction at least.
      if (cases.length > maxInstructions) throw tooMany(`more than ${maxInstructions}`);
    }
  }
  const otherwise: Case = { action: defaultAction };
  // x32's own numbers are behind those of x86-64, where new calls come.
  const own = abi === 'x86_64' ? firstX32 : Number.POSITIVE_INFINITY;
  const [numbers, last] = [[...byNumber.keys()], Math.max(...[...byNumber.keys()].filter((number) => number < own), -1)];
  const endOfOwn = Math.max(...[...table.values()].flat()) + 1;
  const casesOf = (number: number): readonly Case[] => {
    const cases = byNumber.get(number);
    if (cases) return cases.slice(-1).some(isLast) ? cases : [...cases, otherwise];
    const isNewer = number > last && (number < own || number >= endOfOwn);
    return [isNewer && last >= 0 ? { action: newerAction } : otherwise];
  };
  const edges = [0, last + 1, own, endOfOwn, ...numbers, ...numbers.map((number) => number + 1)].filter(Number.isFinite);
  const spans: CaseSpan[] = [];
  for (const from of [...new Set(edges)].sort((a, b) => a - b)) {
    const cases = casesOf(from);
    const before = spans.at(-1);
    if (!before || keyOf(before.cases) !== keyOf(cases)) spans.push({ from, cases });
  }
  return spans;
}

/** No case after one without tests is ever asked. */
function isLast({ args }: Case): boolean {
  return !args?.length;
}

/** The same for lists of cases that say the same. */
export function keyOf(cases: readonly Case[]): string {
  return JSON.stringify(cases, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value));
}

import { argumentOffset, halvesOf } from './argument-test.js';
import type { Assembler, Label } from './bpf.js';
import type { Case } from './case-spans.js';
import type { Action, ArgumentTest } from './profile.js';

/** Values of one argument, each with what is done for it; the first of two equal ones decides. */
export interface ArgumentSwitch {
  readonly index: number;
  readonly bits: 32 | 64;
  readonly values: readonly { readonly value: ArgumentTest['value']; readonly action: Action }[];
}

/** As many of the first cases as ask whether one argument has some value: none, where there are fewer than two. */
export function leadingSwitch(cases: readonly Case[]): ArgumentSwitch | null {
  const [first] = cases.map(singleValue);
  if (!first) return null;
  const values: { value: ArgumentTest['value']; action: Action }[] = [];
  for (const one of cases) {
    const test = singleValue(one);
    if (!test || test.index !== first.index || test.bits !== first.bits) break;
    values.push({ value: test.value, action: one.action });
  }
  return values.length < 2 ? null : { index: first.index, bits: first.bits ?? 64, values };
}

function singleValue({ args = [] }: Case): ArgumentTest | undefined {
  const [test, ...others] = args;
  return others.length === 0 && test?.op === 'EQ' ? test : undefined;
}

/** Each half of the argument is loaded once, and not once for each value. */
export function emitSwitch(
  assembler: Assembler,
  { index, bits, values }: ArgumentSwitch,
  { verdict, otherwise }: { readonly verdict: (action: Action) => Label; readonly otherwise: Label },
): void {
  const rows = values.map(({ value, action }) => ({ ...halvesOf(value), label: verdict(action) }));
  const emitLow = (of: typeof rows): void => {
    assembler.load(argumentOffset(index));
    emitChain(
      assembler,
      of.map(({ low, label }) => ({ value: low, label })),
      otherwise,
    );
  };
  if (bits === 32) {
    emitLow(rows);
    return;
  }
  const highs = [...new Set(rows.map(({ high }) => high))].map((value) => ({ value, label: assembler.label() }));
  assembler.load(argumentOffset(index) + 4);
  emitChain(assembler, highs, otherwise);
  for (const { value, label } of highs) {
    assembler.place(label);
    emitLow(rows.filter(({ high }) => high === value));
  }
}

function emitChain(assembler: Assembler, rows: readonly { readonly value: number; readonly label: Label }[], otherwise: Label): void {
  for (const [at, { value, label }] of rows.entries()) {
    const next = at === rows.length - 1 ? otherwise : assembler.label();
    assembler.branch('jeq', value, label, next);
    if (next !== otherwise) assembler.place(next);
  }
}

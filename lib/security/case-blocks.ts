import { returnValue } from './actions.js';
import { emitSwitch, leadingSwitch } from './argument-switch.js';
import { emitArgumentTest } from './argument-test.js';
import type { Assembler, Label } from './bpf.js';
import { type Case, keyOf } from './case-spans.js';
import type { Action } from './profile.js';

/** The ends of the search: the tests and verdicts of each different list of cases, once, behind all trees. */
export class Blocks {
  readonly #assembler: Assembler;
  readonly #cases = new Map<string, { readonly label: Label; readonly cases: readonly Case[] }>();

  constructor(assembler: Assembler) {
    this.#assembler = assembler;
  }

  label(cases: readonly Case[]): Label {
    const key = keyOf(cases);
    let block = this.#cases.get(key);
    if (!block) {
      block = { label: this.#assembler.label(), cases };
      this.#cases.set(key, block);
    }
    return block.label;
  }

  emit(): void {
    const assembler = this.#assembler;
    const verdicts = new Map<number, Label>();
    const verdict = (action: Action): Label => {
      const value = returnValue(action);
      const label = verdicts.get(value) ?? assembler.label();
      verdicts.set(value, label);
      return label;
    };
    for (const { label, cases } of this.#cases.values()) {
      assembler.place(label);
      const switched = leadingSwitch(cases);
      if (switched) {
        const otherwise = assembler.label();
        emitSwitch(assembler, switched, { verdict, otherwise });
        assembler.place(otherwise);
      }
      for (const { action, args = [] } of cases.slice(switched?.values.length ?? 0)) {
        const next = assembler.label();
        for (const [index, test] of args.entries()) {
          const holds = assembler.label();
          emitArgumentTest(assembler, test, index === args.length - 1 ? verdict(action) : holds, next);
          assembler.place(holds);
        }
        if (args.length === 0) assembler.ret(returnValue(action));
        assembler.place(next);
      }
    }
    for (const [value, label] of verdicts) {
      assembler.place(label);
      assembler.ret(value);
    }
  }
}

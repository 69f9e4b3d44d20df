import { InstructionProblem } from './build-error.js';
import { didYouMeanOf } from './suggest.js';

/** What a flag takes: one text, several, or true and false. */
type Kind = 'text' | 'texts' | 'boolean';

/** The values of an instruction's flags, by their names. */
export class Flags {
  readonly #values: ReadonlyMap<string, readonly string[]>;

  /** @throws InstructionProblem for a flag that the instruction doesn't have, or has once, and for a wrong value */
  constructor(words: readonly string[], kinds: Readonly<Record<string, Kind>>) {
    const values = new Map<string, string[]>();
    for (const word of words) {
      const { name, value } = parse(word, kinds);
      const before = values.get(name) ?? [];
      if (before.length > 0 && kinds[name] !== 'texts') throw new InstructionProblem(`duplicate flag specified: --${name}`);
      values.set(name, [...before, value]);
    }
    this.#values = values;
  }

  /** '' where it isn't given. */
  text(name: string): string {
    return this.#values.get(name)?.[0] ?? '';
  }

  texts(name: string): readonly string[] {
    return this.#values.get(name) ?? [];
  }

  /** `null`: not given. */
  boolean(name: string): boolean | null {
    const value = this.#values.get(name)?.[0];
    return value === undefined ? null : value === 'true';
  }
}

function parse(word: string, kinds: Readonly<Record<string, Kind>>): { readonly name: string; readonly value: string } {
  const [, name = '', value] = /^--([^=]*)(?:=([\s\S]*))?$/.exec(word) ?? [];
  const kind = Object.hasOwn(kinds, name) ? kinds[name] : undefined;
  if (!kind) throw new InstructionProblem(`unknown flag: --${name}${didYouMeanOf(name, Object.keys(kinds))}`);
  if (kind !== 'boolean') {
    if (value === undefined) throw new InstructionProblem(`missing a value on flag: --${name}`);
    return { name, value };
  }
  if (value === '') throw new InstructionProblem(`missing a value on flag: --${name}`);
  const lower = (value ?? 'true').toLowerCase();
  if (lower !== 'true' && lower !== 'false') throw new InstructionProblem(`expecting boolean value for flag --${name}, not: ${value}`);
  return { name, value: lower };
}

import { InstructionProblem } from './build-error.js';
import { longerWord } from './longest-word.js';

/** A part of a pattern: a character, or what stands for any one or any number of them. */
type Part = { readonly kind: 'one' | 'many' } | { readonly kind: 'character'; readonly character: string };

/** A text's length times its pattern's: what is worked through for one substitution. */
const MOST_WORK = 50_000_000;

/**
 * Reads a pattern of `${name#pattern}`: `*`, `?` and a backslash before one of them, no brackets (POSIX, XCU 2.14, without 2.13.1's brackets).
 *
 * @throws InstructionProblem for another escape
 */
function partsOf(pattern: string): Part[] {
  const characters = [...pattern];
  const parts: Part[] = [];
  for (let i = 0; i < characters.length; i++) {
    const character = characters[i] ?? '';
    if (character === '*') parts.push({ kind: 'many' });
    else if (character === '?') parts.push({ kind: 'one' });
    else if (character !== '\\') parts.push({ kind: 'character', character });
    else {
      const next = characters[i + 1] ?? '';
      // the ends of a substitution are escaped for its reader, and the escape is no part of the pattern
      if (next === '}' || next === '/') continue;
      if (!['*', '?', '\\'].includes(next))
        throw new InstructionProblem(`invalid pattern (${pattern}) in substitution: invalid escape '\\${next}'`);
      parts.push({ kind: 'character', character: next });
      i++;
    }
  }
  return parts;
}

/**
 * For each place in the text, where the longest (or shortest) match that begins there ends; -1: none does. It takes as many turns as the
 * text has characters times the pattern's, whatever these are: a regular expression could take time without end.
 */
function ends(parts: readonly Part[], text: readonly string[], choose: 'longest' | 'shortest'): Int32Array {
  if (parts.length * text.length > MOST_WORK) throw new InstructionProblem('the pattern and the value of a substitution are too long');
  const length = text.length;
  let after = Int32Array.from({ length: length + 1 }, (_, index) => index);
  for (const part of [...parts].reverse()) {
    const here = new Int32Array(length + 1).fill(-1);
    for (let i = length; i >= 0; i--) {
      const next = i < length ? text[i] : undefined;
      const passes = next !== undefined && (part.kind === 'character' ? next === part.character : next !== '\n');
      if (part.kind !== 'many') {
        here[i] = passes ? (after[i + 1] ?? -1) : -1;
        continue;
      }
      const stopped = after[i] ?? -1;
      const further = passes ? (here[i + 1] ?? -1) : -1;
      here[i] =
        stopped < 0 || further < 0
          ? Math.max(stopped, further)
          : choose === 'longest'
            ? Math.max(stopped, further)
            : Math.min(stopped, further);
    }
    after = here;
  }
  return after;
}

/** `${name#pattern}`, or with `isGreedy` `${name##pattern}`: the value without the prefix that matches. */
export function trimPrefix(pattern: string, value: string, isGreedy: boolean): string {
  const text = [...value];
  const end = ends(partsOf(pattern), text, isGreedy ? 'longest' : 'shortest')[0] ?? -1;
  return end < 0 ? value : text.slice(end).join('');
}

/** `${name%pattern}`, or with `isGreedy` `${name%%pattern}`: the value without the suffix that matches. */
export function trimSuffix(pattern: string, value: string, isGreedy: boolean): string {
  const text = [...value].reverse();
  const end = ends(partsOf(pattern).reverse(), text, isGreedy ? 'longest' : 'shortest')[0] ?? -1;
  return end < 0 ? value : text.slice(end).reverse().join('');
}

/** `${name/pattern/replacement}`, or with `all` `${name//pattern/replacement}`. The longest match counts, and no empty one after another. */
export function replaceMatches(pattern: string, value: string, { replacement, all }: { replacement: string; all: boolean }): string {
  const text = [...value];
  const found = ends(partsOf(pattern), text, 'longest');
  let result = '';
  let done = -1;
  for (let i = 0; i <= text.length; ) {
    const end = found[i] ?? -1;
    const isMatch = end > i || (end === i && i !== done);
    if (!isMatch) {
      result += text[i] ?? '';
      i++;
      continue;
    }
    result = longerWord(result, replacement);
    if (!all) return result + text.slice(end).join('');
    if (end === i) {
      result += text[i] ?? '';
      i++;
    } else i = end;
    done = end;
  }
  return result;
}

import { posix } from 'node:path';
import { InstructionProblem } from './build-error.js';

/** A part of a pattern. `maybe` and then `through`: any number of names, each with its slash. */
type Part =
  | { readonly kind: 'character'; readonly character: string }
  | { readonly kind: 'one' | 'some' | 'all' | 'maybe' | 'through' }
  | { readonly kind: 'class'; readonly isNegated: boolean; readonly ranges: readonly (readonly [string, string])[] };

type Test = (path: string) => boolean;

/** A line of an ignore file, as moby/patternmatcher reads it. */
export interface IgnorePattern {
  /** It begins with '!': what it matches is not ignored after all. */
  readonly isException: boolean;
  /** Without the '!', cleaned. */
  readonly text: string;
  readonly matches: Test;
}

/**
 * Reads a pattern; `null`: it is empty.
 *
 * @throws InstructionProblem
 */
export function ignorePattern(line: string): IgnorePattern | null {
  const trimmed = line.trim();
  if (trimmed === '') return null;
  const cleaned = cleanPath(trimmed);
  const isException = cleaned.startsWith('!');
  const text = isException ? cleaned.slice(1) : cleaned;
  if (text === '') throw new InstructionProblem(`illegal exclusion pattern: "!"`);
  return { isException, text, matches: testOf(text) };
}

/** Go's path.Clean: no doubled or trailing slash, no '.', and no '..' that can be resolved. */
export function cleanPath(path: string): string {
  const normal = posix.normalize(path);
  return normal.length > 1 && normal.endsWith('/') ? normal.slice(0, -1) : normal;
}

/** Whether a name of COPY stands for several: it has a wildcard that no backslash takes the meaning from. */
export function hasWildcard(name: string): boolean {
  return /^(?:[^\\*?[]|\\.|\\$)*[*?[]/su.test(name);
}

/**
 * Reads a wildcard of COPY for one name, as Go's path/filepath.Match reads it: '!' and blanks are characters as any other, and '**' is no more than '*'.
 *
 * @throws InstructionProblem
 */
export function wildcardTest(pattern: string): Test {
  const parts = partsOf(pattern, { isDeep: false });
  return (name) => walk(parts, [...name]);
}

function testOf(pattern: string): Test {
  const parts = partsOf(pattern, { isDeep: true });
  const isPlain = (some: readonly Part[]): boolean => some.every(({ kind }) => kind === 'character') && !pattern.includes('\\');
  if (isPlain(parts)) return (path) => path === pattern;
  // '**' at one end and no other wildcard: the other end counts, and that need not be a whole name
  if (pattern.startsWith('**') && isPlain(parts.slice(parts[0]?.kind === 'maybe' ? 2 : 1))) {
    const suffix = pattern.slice(2);
    return (path) => path.endsWith(suffix) || (suffix.startsWith('/') && path === suffix.slice(1));
  }
  if (parts.at(-1)?.kind === 'all' && isPlain(parts.slice(0, -1))) return (path) => path.startsWith(pattern.slice(0, -2));
  return (path) => walk(parts, [...path]);
}

/** @throws InstructionProblem for a class that doesn't end, or an escape of nothing */
function partsOf(pattern: string, { isDeep }: { readonly isDeep: boolean }): Part[] {
  const characters = [...pattern];
  const bad = (): InstructionProblem => new InstructionProblem(`syntax error in pattern ${JSON.stringify(pattern)}`);
  const parts: Part[] = [];
  for (let i = 0; i < characters.length; i++) {
    const character = characters[i] ?? '';
    if (isDeep && character === '*' && characters[i + 1] === '*') {
      i++;
      if (characters[i + 1] === '/') i++;
      if (i + 1 >= characters.length) parts.push({ kind: 'all' });
      else parts.push({ kind: 'maybe' }, { kind: 'through' });
    } else if (character === '*') parts.push({ kind: 'some' });
    else if (character === '?') parts.push({ kind: 'one' });
    else if (character === '\\') {
      const escaped = characters[++i];
      if (escaped === undefined) throw bad();
      parts.push({ kind: 'character', character: escaped });
    } else if (character === '[') {
      const { part, end } = classAt(characters, i + 1, bad);
      parts.push(part);
      i = end;
    } else parts.push({ kind: 'character', character });
  }
  return parts;
}

/** A class, from after its '[' to its ']': Go's path/filepath.Match has the grammar. */
function classAt(characters: readonly string[], start: number, bad: () => Error): { readonly part: Part; readonly end: number } {
  const isNegated = characters[start] === '^';
  const ranges: (readonly [string, string])[] = [];
  let at = isNegated ? start + 1 : start;
  const next = (): string => {
    const character = characters[at++];
    if (character === undefined || character === '-' || character === ']') throw bad();
    if (character !== '\\') return character;
    const escaped = characters[at++];
    if (escaped === undefined) throw bad();
    return escaped;
  };
  do {
    const low = next();
    if (characters[at] !== '-') ranges.push([low, low]);
    else {
      at++;
      const high = next();
      if (high < low) throw bad();
      ranges.push([low, high]);
    }
  } while (characters[at] !== ']');
  return { part: { kind: 'class', isNegated, ranges }, end: at };
}

/** All places in the pattern at once, so that no pattern takes long. */
function walk(parts: readonly Part[], path: readonly string[]): boolean {
  let states = reach(parts, [0]);
  for (const character of path) {
    const next: number[] = [];
    for (const state of states) {
      const part = parts[state];
      if (!part) continue;
      if (part.kind === 'all' || part.kind === 'through' || (part.kind === 'some' && character !== '/')) next.push(state);
      if (accepts(part, character)) next.push(state + 1);
    }
    states = reach(parts, next);
    if (states.size === 0) return false;
  }
  return states.has(parts.length);
}

function accepts(part: Part, character: string): boolean {
  switch (part.kind) {
    case 'character':
      return part.character === character;
    case 'one':
      return character !== '/';
    case 'through':
      return character === '/';
    case 'class':
      return part.ranges.some(([low, high]) => low <= character && character <= high) !== part.isNegated;
    default:
      return false;
  }
}

/** The places, with those that are reached from them by parts that may match nothing. */
function reach(parts: readonly Part[], from: readonly number[]): ReadonlySet<number> {
  const found = new Set<number>();
  const open = [...from];
  for (let state = open.pop(); state !== undefined; state = open.pop()) {
    if (found.has(state)) continue;
    found.add(state);
    const kind = parts[state]?.kind;
    if (kind === 'some' || kind === 'all') open.push(state + 1);
    if (kind === 'maybe') open.push(state + 1, state + 2);
  }
  return found;
}

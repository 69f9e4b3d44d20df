import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { InstructionProblem } from '../../../lib/build/language/build-error.js';
import { expandWord, expandWords } from '../../../lib/build/language/expand-words.js';
import { WORD_ROWS, WORD_VARIABLES } from '../../fixtures/dockerfile/word-rows.js';

const lookup = (name: string): string | undefined => WORD_VARIABLES[name];

function expanded(word: string, variables: Readonly<Record<string, string>> = WORD_VARIABLES, escaper = '\\'): string | null {
  try {
    return expandWord(word, { escaper, lookup: (name) => variables[name] }).text;
  } catch (error) {
    if (error instanceof InstructionProblem) return null;
    throw error;
  }
}

describe('expandWord', () => {
  test.each(WORD_ROWS)('%s', (word, result) => {
    expect(expanded(word)).toBe(result);
  });

  test.each([
    ['${v#*/}', 'b/c.tar.gz'],
    ['${v##*/}', 'c.tar.gz'],
    ['${v%.*}', 'a/b/c.tar'],
    ['${v%%.*}', 'a/b/c'],
    ['${v#x}', 'a/b/c.tar.gz'],
    ['${v%"z"}', 'a/b/c.tar.g'],
    ['${v%?}', 'a/b/c.tar.g'],
    ['${v/b/X}', 'a/X/c.tar.gz'],
    ['${v/\\//:}', 'a:b/c.tar.gz'],
    ['${v//\\//:}', 'a:b:c.tar.gz'],
    ['${v//?/x}', 'xxxxxxxxxxxx'],
    ['${v/b*r/}', 'a/.gz'],
    ['${v//a*z/x}', 'x'],
    ['${star#\\*}', 'x'],
    ['${brackets%[*}', 'a'],
    ['${lines#a*}', '\nb'],
    ['${none#a}', ''],
    ['${v:#a}', null],
    ['${v#\\a}', null],
    ['${v/a', null],
    ['${v/a/b', null],
    ['${v^^}', null],
  ])('%s', (word, result) => {
    expect(expanded(word, { v: 'a/b/c.tar.gz', star: '*x', brackets: 'a[bc]', lines: 'a\nb' })).toBe(result);
  });

  test('puts text before each character for an empty pattern', () => {
    expect(expanded('${v///-}', { v: 'ab' })).toBe('-a-b-');
  });

  test('escapes with the character of the file', () => {
    expect(expanded('`$tool $tool\\', WORD_VARIABLES, '`')).toBe('$tool make\\');
  });

  test('tells the variables it asked for', () => {
    const { names, unset } = expandWord('${tool-x} $NO ${empty:-$ALSO}', { escaper: '\\', lookup });
    expect([...names]).toEqual(['tool', 'NO', 'ALSO', 'empty']);
    expect([...unset]).toEqual(['NO', 'ALSO']);
  });

  test.each([
    ['deep', `${'${a:-'.repeat(100_000)}x${'}'.repeat(100_000)}`, /substitutions in one another/],
    ['long', '$a'.repeat(2000), /longer than/],
    ['long by a last substitution', `${'$a'.repeat(1000)}$b`, /longer than/],
    ['long in double quotes', `"${'$a'.repeat(2000)}"`, /longer than/],
    ['long by what takes the place of a pattern', `\${b//a/${'x'.repeat(100)}}`, /longer than/],
    ['a hostile pattern', `\${b%%${'*a'.repeat(10_000)}b}`, /too long/],
  ])('refuses what is %s in time', (_, word, message) => {
    const value = (name: string): string => (name === 'b' ? 'a'.repeat(100_000) : 'x'.repeat(1000));
    expect(() => expandWord(word, { escaper: '\\', lookup: value })).toThrow(message);
  });

  test('a pattern on which a regular expression would take for ever ends', () => {
    expect(expanded(`\${v%%${'*a'.repeat(50)}b}`, { v: 'a'.repeat(5000) })).toBe('a'.repeat(5000));
  });

  test('property: single quotes keep all, and whatever comes is a text or a problem', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        const bare = text.replaceAll("'", '');
        expect(expanded(`'${bare}'`)).toBe(bare);
        expanded(text);
      }),
    );
    const part = fc.constantFrom('$', '{', '}', ':', '-', '+', '?', '#', '%', '/', '\\', '"', "'", '<', '*', 'tool', 'x', ' ');
    fc.assert(
      fc.property(fc.array(part, { maxLength: 30 }), (parts) => void expanded(parts.join(''))),
      { numRuns: 2000 },
    );
  });
});

describe('expandWords', () => {
  const variables: Readonly<Record<string, string>> = { one: 'x', gap: 'l  r', before: '  m n', after: 'm n   ', blank: '  ' };
  const words = (text: string): string[] => expandWords(text, { escaper: '\\', lookup: (name) => variables[name] });

  test.each([
    ['a${one}z', ['axz']],
    ['a${gap}z', ['al', 'rz']],
    ['a"${gap}"z', ['al  rz']],
    ['a "${gap}"z  ${one}', ['a', 'l  rz', 'x']],
    ['a${before}z', ['a', 'm', 'nz']],
    ['a"${before}" z', ['a  m n', 'z']],
    ['a${after}', ['am', 'n']],
    ['a"${after}"z', ['am n   z']],
    ['a${blank}z', ['a', 'z']],
    ['"  "a"  "', ['  a  ']],
    ['a\\ z', ['a z']],
    ['\\"a z', ['"a', 'z']],
    ["'$one z'", ['$one z']],
    ['1:${none:-2 3}', ['1:2', '3']],
  ])('%s', (text, result) => {
    expect(words(text)).toEqual(result);
  });
});

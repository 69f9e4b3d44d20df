import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { BuildError, InstructionProblem } from '../../../lib/build/language/build-error.js';
import { IgnoreRules, ignoreLines, type Matched, parseIgnoreFile } from '../../../lib/build/language/ignore-file.js';
import { hasWildcard } from '../../../lib/build/language/ignore-pattern.js';
import { IGNORE_ROWS } from '../../fixtures/dockerfile/ignore-rows.js';

/** As a walk asks: each folder first, and its content with what has matched it. */
function walked(rules: IgnoreRules, path: string): boolean {
  const names = path.split('/');
  let above: Matched | undefined;
  let result = false;
  for (const index of names.keys()) {
    const { isIgnored, matched } = rules.test(names.slice(0, index + 1).join('/'), above);
    above = matched;
    result = isIgnored;
  }
  return result;
}

describe('IgnoreRules', () => {
  test.each(IGNORE_ROWS)('%j of %j', (pattern, path, wanted) => {
    if (wanted === null) {
      expect(() => new IgnoreRules([pattern])).toThrow(InstructionProblem);
      return;
    }
    const rules = new IgnoreRules([pattern]);
    expect(rules.test(path).isIgnored).toBe(wanted);
    if (!path.startsWith('/')) expect(walked(rules, path)).toBe(wanted);
  });

  test.each<[readonly string[], string, boolean]>([
    [['docs', '!docs/README.md'], 'docs/README.md', false],
    [['docs/', '!docs/README.md'], 'docs/README.md', false],
    [['docs/*', '!docs/README.md'], 'docs/README.md', false],
    [['!a.go', '*.go'], 'a.go', true],
    [['*.go', '!a.go'], 'a.go', false],
    [['**', '!util/docker/web'], 'util/docker/web/foo', false],
    [['**', '!util/docker/web', 'util/docker/web/foo'], 'util/docker/web/foo', true],
    [['**', '!dist/*.whl'], 'dist/a-2.4.0rc3.dev36+g08-py3.whl', false],
    [[], 'a', false],
  ])('%j of %j', (patterns, path, wanted) => {
    const rules = new IgnoreRules(patterns);
    expect(rules.test(path).isIgnored).toBe(wanted);
    expect(walked(rules, path)).toBe(wanted);
  });

  test.each<[readonly string[], string, boolean]>([
    [['a'], 'a', false],
    [['a', '!a/b/c'], 'a', true],
    [['a', '!a/b/c'], 'a/b', true],
    [['a', '!a/b/c'], 'a/x', false],
    [['a', '!b'], 'a', false],
    [['a', '!**/c'], 'a', true],
    [['a', '!a'], 'a', true],
  ])('%j may reach into %j', (patterns, folder, wanted) => {
    expect(new IgnoreRules(patterns).mayReachInto(folder)).toBe(wanted);
  });

  test('a pattern on which a regular expression would take for ever ends', () => {
    expect(new IgnoreRules([`${'*a'.repeat(60)}b`]).test('a'.repeat(4000)).isIgnored).toBe(false);
    expect(new IgnoreRules([`${'**/a'.repeat(60)}b`]).test('a/'.repeat(200)).isIgnored).toBe(false);
  });

  test('property: a name with its wildcards escaped matches itself and nothing else, and whatever comes is a rule or a problem', () => {
    const name = fc.stringMatching(/^[a-z*?[\\\]{}().+|^$-]{1,12}$/);
    fc.assert(
      fc.property(name, name, (own, other) => {
        const rules = new IgnoreRules([own.replaceAll(/[\\*?[\]]/g, '\\$&')]);
        expect(rules.test(own).isIgnored).toBe(true);
        expect(rules.test(other).isIgnored).toBe(own === other);
      }),
    );
    fc.assert(
      fc.property(name, name, (pattern, path) => {
        try {
          new IgnoreRules([pattern]).test(path);
        } catch (error) {
          expect(error).toBeInstanceOf(InstructionProblem);
        }
      }),
    );
  });
});

describe('ignoreLines', () => {
  test('cleans the lines as BuildKit does', () => {
    const text = '\uFEFFtest1\n/test2\n/a/file/here\n\nlastfile\n# a comment\n #not\n! /inverted/abs/path\n!\n! \n./c/../d/\r\n  e  ';
    const wanted = ['test1', 'test2', 'a/file/here', 'lastfile', '#not', '!inverted/abs/path', '!', '!', 'd', 'e'];
    expect(ignoreLines(text)).toEqual(wanted);
  });

  test('tells the file with a malformed pattern', () => {
    expect(() => parseIgnoreFile('a\n!\n', '.dockerignore')).toThrow(BuildError);
    expect(() => parseIgnoreFile('[a\n', '.dockerignore')).toThrow('.dockerignore: syntax error in pattern "[a"');
  });
});

test('a wildcard is looked for in time that grows with the length of a name alone', () => {
  expect(hasWildcard('\\a'.repeat(100_000))).toBe(false);
  expect(hasWildcard(`${'\\a'.repeat(100_000)}*`)).toBe(true);
  expect(hasWildcard('\\*')).toBe(false);
  expect(hasWildcard('a\\')).toBe(false);
});

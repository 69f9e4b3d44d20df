import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runInThisContext } from 'node:vm';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { wrappedText } from '../../../lib/load/wrapped-text.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'nacelle-text-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

it.each([
  '',
  'module.exports = [exports, require, __filename, __dirname];',
  '// a comment at the end',
  '// \u00fc in a comment\nmodule.exports = 1;',
])('makes a function of the text %j, as Node does', (text) => {
  const file = join(folder, 'a.cjs');
  writeFileSync(file, text);
  const wrapped = wrappedText(file);
  expect(wrapped).toBe(`(function (exports, require, module, __filename, __dirname) { ${Buffer.from(text, 'utf8').toString('latin1')}\n})`);
  expect(runInThisContext(wrapped)).toBeInstanceOf(Function);
});

it('fails as reading does where there is no such file', () => {
  expect(() => wrappedText(join(folder, 'none.cjs'))).toThrow(/ENOENT/);
});

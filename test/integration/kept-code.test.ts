import { execFileSync } from 'node:child_process';
import { chownSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { arch, versions } from 'node:process';
import { fileURLToPath } from 'node:url';
import { beforeEach, describe, expect, it } from 'vitest';
import { requires } from '../fixtures/requires.js';
import { temporaryFolder } from '../fixtures/temporary.js';

const dist = fileURLToPath(new URL('../../dist', import.meta.url));
const folder = temporaryFolder();
const KEPT = [`core-${versions.node}-${arch}`];
const part = (answer: string): string => `exports.answer = () => '${answer}';\n`;
const ASK = "require('./dist/load.cjs').part('core', () => ({ answer: () => 'as Node loads it' })).answer()";

// A package with the loader of ours, and a file of its own in the place of one that it loads.
let at: string;
let file: string;

beforeEach(() => {
  at = mkdtempSync(join(folder, 'package-'));
  file = join(at, 'dist/core.cjs');
  mkdirSync(join(at, 'dist'));
  copyFileSync(join(dist, 'load.cjs'), join(at, 'dist/load.cjs'));
  writeFileSync(file, part('first'));
});

function ask(environment: Record<string, string> = {}, program = `console.log(${ASK})`, node: readonly string[] = []): string {
  const { NACELLE_CODE_CACHE: _, NODE_V8_COVERAGE: __, ...env } = process.env;
  const text = execFileSync(process.execPath, [...node, '-e', program], { cwd: at, encoding: 'utf8', env: { ...env, ...environment } });
  return text.trim();
}

const kept = (): string[] => (existsSync(join(at, '.code')) ? readdirSync(join(at, '.code')) : []);

/** Changes what the file says, and nothing by which it is known. */
function changeUnseen(): void {
  const { atime, mtime } = statSync(file);
  writeFileSync(file, part('other'));
  utimesSync(file, atime, mtime);
}

describe("what V8 made of the package's files", () => {
  it('is kept beside them, for this user alone, and taken by the next process', () => {
    utimesSync(file, 1, 1);
    expect(ask()).toBe('first');
    expect(kept()).toEqual(KEPT);
    expect(statSync(join(at, '.code')).mode & 0o777).toBe(0o700);
    changeUnseen();
    // the code of before, for nothing tells that this is another file
    expect(ask()).toBe('first');
  });

  it('is not taken for another file', () => {
    expect(ask()).toBe('first');
    writeFileSync(file, part('other'));
    utimesSync(file, 5, 5);
    expect(ask()).toBe('other');
    expect(ask()).toBe('other');
    expect(kept()).toEqual(KEPT);
  });

  it('is not taken where V8 would make other code, and left for others', () => {
    utimesSync(file, 1, 1);
    expect(ask()).toBe('first');
    const { ino } = statSync(join(at, '.code', KEPT[0] ?? ''));
    changeUnseen();
    expect(ask({}, undefined, ['--no-lazy'])).toBe('other');
    expect(statSync(join(at, '.code', KEPT[0] ?? '')).ino).toBe(ino);
  });

  it.each([
    ['the environment says so', { NACELLE_CODE_CACHE: '0' }],
    ['coverage is counted', { NODE_V8_COVERAGE: join(folder, 'coverage') }],
  ])('is not kept when %s', (_, environment) => {
    expect(ask(environment)).toBe('as Node loads it');
    expect(kept()).toEqual([]);
  });

  it('is not kept in a context of a test runner, which has a realm of its own', () => {
    const inContext = `const vm = require('node:vm'); const { readFileSync } = require('node:fs');
      const module_ = { exports: {} };
      const wrapped = vm.runInNewContext('(function (exports, require, module, __filename, __dirname) {' + readFileSync('dist/load.cjs', 'utf8') + '})');
      const at = process.cwd() + '/dist';
      wrapped(module_.exports, require, module_, at + '/load.cjs', at);
      console.log(module_.exports.part('core', () => ({ answer: () => 'as Node loads it' })).answer())`;
    expect(ask({}, inContext)).toBe('as Node loads it');
    expect(kept()).toEqual([]);
  });

  it('is nothing in a bundle, where the loader is another file', () => {
    copyFileSync(join(at, 'dist/load.cjs'), join(at, 'dist/program.cjs'));
    expect(ask({}, `console.log(${ASK.replace('load.cjs', 'program.cjs')})`)).toBe('as Node loads it');
    expect(kept()).toEqual([]);
  });

  it('tells what a file throws, and loads it again', () => {
    writeFileSync(
      file,
      "globalThis.count = (globalThis.count ?? 0) + 1; if (globalThis.count === 1) throw new Error('once'); exports.answer = () => 'again';",
    );
    expect(ask({}, `try { ${ASK} } catch (error) { console.log(error.message, ${ASK}) }`)).toBe('once again');
  });

  requires({ root: true }).it("is not kept in a package of another user's", () => {
    chownSync(at, 65534, 65534);
    expect(ask()).toBe('as Node loads it');
    expect(kept()).toEqual([]);
  });
});

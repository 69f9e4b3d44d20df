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
/** One for each set of V8's flags, which the end of the name stands for. */
const KEPT = [expect.stringMatching(new RegExp(`^core-${versions.node}-${arch}-[0-9a-f]{32}$`))];
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

  it('is kept for each set of flags, since V8 takes none that was made with others', () => {
    const flags = [['--expose-gc'], ['--no-lazy'], []];
    utimesSync(file, 1, 1);
    for (const some of flags) expect(ask({}, undefined, some)).toBe('first');
    expect(kept()).toEqual([...KEPT, ...KEPT, ...KEPT]);
    changeUnseen();
    for (const some of flags) expect(ask({}, undefined, some)).toBe('first');
    expect(ask({}, undefined, ['--no-opt'])).toBe('other');
  });

  it('is not taken by a process that has changed its flags, and left for others', () => {
    utimesSync(file, 1, 1);
    expect(ask()).toBe('first');
    const files = (): number[] => kept().map((name) => statSync(join(at, '.code', name)).ino);
    const before = files();
    changeUnseen();
    const changing = "const load = require('./dist/load.cjs'); require('node:v8').setFlagsFromString('--no-lazy');";
    expect(ask({}, `${changing} console.log(${ASK.replace("require('./dist/load.cjs')", 'load')})`)).toBe('other');
    expect(files()).toEqual(before);
  });

  it('is kept for four sets of flags at most', () => {
    utimesSync(file, 1, 1);
    for (const size of [100, 101, 102, 103]) expect(ask({}, undefined, [`--max-old-space-size=${size}`])).toBe('first');
    const first = kept();
    expect(ask()).toBe('first');
    expect(kept()).toHaveLength(4);
    expect(kept()).not.toEqual(first);
    changeUnseen();
    expect(ask()).toBe('first');
    expect(ask({}, undefined, ['--max-old-space-size=100'])).toBe('other');
  });

  it('is kept whatever other versions of Node and killed processes have left there', () => {
    utimesSync(file, 1, 1);
    const set = 'f'.repeat(32);
    const others = ['a', 'b', 'c', 'd'].map((last) => `core-1.0.0-${arch}-${set}${last}`);
    const beginning = `core-${versions.node}-${arch}-`;
    const unfinished = ['1', '2', '3', '4'].map((pid) => `${beginning}${set}.${pid}`);
    const isOld = `${beginning}${set}.5`;
    mkdirSync(join(at, '.code'), { mode: 0o700 });
    const old = new Date(0);
    for (const name of [...others, ...unfinished, isOld]) writeFileSync(join(at, '.code', name), '');
    for (const name of [...others, isOld]) utimesSync(join(at, '.code', name), old, old);
    // a moment later than whatever is there
    const later = Date.now() / 1000 + 30;
    for (const name of unfinished) utimesSync(join(at, '.code', name), later, later);
    expect(ask()).toBe('first');
    const left = kept();
    expect(left).toEqual(expect.arrayContaining([...others, ...unfinished, ...KEPT]));
    expect(left).toHaveLength(9);
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

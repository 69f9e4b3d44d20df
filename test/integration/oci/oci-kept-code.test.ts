import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeEach, expect } from 'vitest';
import { requires } from '../../fixtures/requires.js';
import { temporaryFolder } from '../../fixtures/temporary.js';

const { describe, it } = requires({ root: true });
const dist = fileURLToPath(new URL('../../../dist', import.meta.url));
const folder = temporaryFolder();

// A package with the boot of ours, and a command of its own in the place of the one that it loads, with one thing from a file of the library's.
let at: string;
let states: string;

beforeEach(() => {
  at = mkdtempSync(join(folder, 'package-'));
  states = join(at, 'states');
  mkdirSync(states, { mode: 0o700 });
  copyFileSync(join(dist, 'nacelle-oci.cjs'), join(at, 'nacelle-oci.cjs'));
  for (const name of ['more', 'zod']) writeFileSync(join(at, `${name}.cjs`), '');
  answer('first');
});

/** What the command prints. The files have the same inodes, sizes and times, by which they are known, whatever that is. */
function answer(text: 'first' | 'other'): void {
  const core = "require('./load.cjs').part('core', () => require('./core.cjs'))";
  const files = {
    oci: `const text = '${text}';\nexports.said = () => text;\nexports['lib/runtime-cli/nacelle-oci.ts'] = () => console.log(${core}.said());\n`,
    core: `exports.said = () => '${text} ' + require('./load.cjs').part('api', () => require('./api.cjs')).said();\n`,
  };
  for (const [name, code] of Object.entries(files)) {
    const file = join(at, `${name}.cjs`);
    writeFileSync(file, code);
    utimesSync(file, 1, 1);
  }
}

function command(name: string): string {
  return execFileSync(process.execPath, [join(at, 'nacelle-oci.cjs'), '--root', states, name], { encoding: 'utf8' }).trim();
}

describe("what V8 made of the command's files", () => {
  it('is taken by the next command of that name, whichever came first', () => {
    expect(command('features')).toBe('first first');
    expect(command('run')).toBe('first first');
    expect(readdirSync(states).toSorted()).toEqual(['@code', '@code-run']);
    expect(statSync(join(states, '@code-run')).mode & 0o777).toBe(0o600);
    answer('other');
    // the code of before, for nothing tells that these are other files
    expect(command('run')).toBe('first first');
    expect(command('exec')).toBe('other other');
    expect(command('run')).toBe('first first');
  });
});

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

// A package with the boot of ours, and a command of its own in the place of the one that it loads.
let at: string;
let states: string;

beforeEach(() => {
  at = mkdtempSync(join(folder, 'package-'));
  states = join(at, 'states');
  mkdirSync(states, { mode: 0o700 });
  copyFileSync(join(dist, 'nacelle-oci.cjs'), join(at, 'nacelle-oci.cjs'));
  answer('first');
});

/** What the command prints. The file has the same inode, size and time, by which it is known, whatever that is. */
function answer(text: 'first' | 'other'): void {
  const file = join(at, 'oci.cjs');
  writeFileSync(file, `exports['lib/runtime-cli/nacelle-oci.ts'] = () => console.log('${text}');\n`);
  utimesSync(file, 1, 1);
}

function command(name: string): string {
  return execFileSync(process.execPath, [join(at, 'nacelle-oci.cjs'), '--root', states, name], { encoding: 'utf8' }).trim();
}

describe("what V8 made of the command's file", () => {
  it('is taken by the next command of that name, whichever came first', () => {
    expect(command('features')).toBe('first');
    expect(command('run')).toBe('first');
    expect(readdirSync(states).toSorted()).toEqual(['@code', '@code-run']);
    expect(statSync(join(states, '@code-run')).mode & 0o777).toBe(0o600);
    answer('other');
    // the code of before, for nothing tells that this is another file
    expect(command('run')).toBe('first');
    expect(command('exec')).toBe('other');
    expect(command('run')).toBe('first');
  });
});

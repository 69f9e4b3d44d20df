import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Subject } from '../measure.js';
import { runSpawned } from './spawn.js';

/** Runs of a new process that don't count: its pages are not there yet. */
const WARM_UP = 2;

/** A C program of this folder, as a file. */
export function compiledProgram(name: string): { readonly path: string; remove(): void } {
  const folder = mkdtempSync(join(tmpdir(), `nacelle-bench-${name}-`));
  const path = join(folder, name);
  const source = fileURLToPath(new URL(`../${name}.c`, import.meta.url));
  execFileSync('cc', ['-O2', '-static', '-Wall', '-Wextra', '-Werror', '-o', path, source]);
  return { path, remove: () => rmSync(folder, { recursive: true, force: true }) };
}

/**
 * A C program of this folder that does something so often, and prints the nanoseconds of each, one a line.
 *
 * @param through a command that ends with exec of its arguments
 */
export function compiled(name: string, args: (count: string) => readonly string[], through: readonly string[] = []): Subject {
  const { path: program, remove } = compiledProgram(name);
  return {
    name: `bench/${name}.c`,
    async run(count) {
      const [command = '', ...rest] = [...through, program, ...args(String(count + WARM_UP))];
      const lines = (await runSpawned(command, rest)).trim().split('\n');
      return lines.slice(WARM_UP).map((line) => Number(line) / 1e6);
    },
    close: async () => remove(),
  };
}

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Report } from './table.js';

const program = fileURLToPath(new URL('run.ts', import.meta.url));

/**
 * Measures a case in a process of its own: what others have left in this one, such as memory that each fork copies the page tables of, is not in its
 * numbers. Its warnings come on standard error.
 */
export async function measuredApart(name: string, more: readonly string[]): Promise<Report> {
  const folder = mkdtempSync(join(tmpdir(), 'nacelle-bench-case-'));
  try {
    const file = join(folder, 'result.json');
    const args = [...process.execArgv, program, '--only', name, '--json', file, ...more];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'inherit'] });
    await once(child, 'exit');
    return JSON.parse(readFileSync(file, 'utf8'));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findTool } from '../test/fixtures/tools.js';
import { NotHere } from './case.js';

/**
 * With a folder and a store of its own: in memory where that is possible, for the time that a disk takes, a virtual machine's above all, says
 * nothing of a program. NACELLE_BENCH_FOLDER says another place.
 */
export async function inFolder<T>(use: (folder: string) => Promise<T>): Promise<T> {
  // in lower case, which podman wants of an image's path
  const folder = join(place(), `nacelle-bench-${process.pid}`);
  mkdirSync(folder);
  const before = process.env.NACELLE_ROOT;
  process.env.NACELLE_ROOT = join(folder, 'store');
  try {
    return await use(folder);
  } finally {
    if (before === undefined) delete process.env.NACELLE_ROOT;
    else process.env.NACELLE_ROOT = before;
    rmSync(folder, { recursive: true });
  }
}

function place(): string {
  return process.env.NACELLE_BENCH_FOLDER ?? (existsSync('/dev/shm') ? '/dev/shm' : tmpdir());
}

export function requireTools(...names: string[]): void {
  const missing = names.filter((name) => findTool(name) === null);
  if (missing.length > 0) throw new NotHere(`${missing.join(' and ')} are not installed`);
}

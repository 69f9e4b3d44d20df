import { statSync } from 'node:fs';
import { attempt } from '../../native/system-errors.js';

const NS = 1_000_000_000n;

/**
 * Which files a package is, as the front says it (addon/shim/front/resident.cc): a planner of other files than the front's has been left by a package that was
 * replaced.
 *
 * @throws SyscallError
 */
export function packageFiles(shim: string, script: string): string {
  return [shim, script].map(identity).join(' ');
}

function identity(path: string): string {
  const { dev, ino, mtimeNs } = attempt(`look at ${path}`, () => statSync(path, { bigint: true }));
  return `${dev}:${ino}:${mtimeNs / NS}.${String(mtimeNs % NS).padStart(9, '0')}`;
}

import { join } from 'node:path';
import { emitWarning } from 'node:process';
import { livingLeases } from './lease.js';
import { removeTrees } from './remove-tree.js';
import { withLock } from './store-lock.js';
import { listFolder } from './store-root.js';

/** Stores that this process has looked through for what others left. */
const tidied = new Set<string>();

/** Removes what dead processes left, and nothing else: once in a process, when it first adds to a store. */
export async function removeLeavings(root: string): Promise<void> {
  if (tidied.has(root)) return;
  tidied.add(root);
  const failure = await sweepLeavings(root);
  // a failure to remove what others left is no failure of this process
  if (failure) emitWarning(failure.message, { type: 'NacelleWarning', code: 'ERR_STORE_LEAVINGS' });
}

/** The same at any time. @returns the failures */
export async function sweepLeavings(root: string): Promise<Error | undefined> {
  const dead = await withLock(root, 'exclusive', async () => deadFiles((await livingLeases(root)).names, root));
  return removeTrees(dead);
}

/** Working files of dead processes: their names begin with that of a lease. */
export async function deadFiles(living: ReadonlySet<string>, root: string): Promise<string[]> {
  const names = await listFolder(join(root, 'tmp'));
  return names.filter((name) => !living.has(name.slice(0, LEASE_NAME))).map((name) => join(root, 'tmp', name));
}

const LEASE_NAME = '00000000-0000-0000-0000-000000000000'.length;

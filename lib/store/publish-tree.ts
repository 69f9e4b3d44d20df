import { dirname } from 'node:path';
import { containerShim } from '../host/container-shim.js';
import { carryOut } from '../native/host-work.js';
import { planOf } from '../plan/plan.js';
import { syncFolder } from './store-root.js';

/**
 * As `publish`, for a folder that others than this user may own: to move a folder to another is to write to it, as its '..' changes.
 *
 * @throws SyscallError
 */
export async function publishTree(path: string, target: string): Promise<void> {
  await carryOut(planOf({ prepare: [{ op: 'rename', host: true, path, target }] }), new Map(), await containerShim());
  await syncFolder(dirname(target));
}

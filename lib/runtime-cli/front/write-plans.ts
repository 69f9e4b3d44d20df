import { join } from 'node:path';
import type { BundleConfig } from '../../oci-config/config-schema.js';
import { type ContainerRecord, type RecordSeen, type StateFolder, writeOwn } from '../state/container-state.js';
import { PLANS } from '../state/state-files.js';
import { frontPlans } from './front-plans.js';
import { plansText } from './plans-text.js';

/**
 * Leaves beside the record of a container what the front does by itself: nothing with one that has no groups.
 *
 * @param seen the file of the record
 * @throws SyscallError
 */
export function writePlans({ path }: StateFolder, record: ContainerRecord, seen: RecordSeen, config: BundleConfig): void {
  const { home, freezer } = record;
  if (home === null || freezer === null) return;
  const { ino, size, mtimeNs } = seen;
  const plans = { ...frontPlans({ ...record, home, freezer }, config), record: { inode: ino, size, changedNs: mtimeNs } };
  writeOwn(join(path, PLANS), plansText(plans));
}

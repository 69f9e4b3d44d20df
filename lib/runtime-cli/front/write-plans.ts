import { lstatSync } from 'node:fs';
import { join } from 'node:path';
import { attempt } from '../../native/system-errors.js';
import type { BundleConfig } from '../../oci-config/config-schema.js';
import { type ContainerRecord, type StateFolder, writeWhole } from '../state/container-state.js';
import { PLANS, RECORD } from '../state/state-files.js';
import { frontPlans } from './front-plans.js';
import { plansText } from './plans-text.js';

/** Leaves beside the record of a container what the front does by itself: nothing with one that has no groups. @throws SyscallError */
export function writePlans({ path }: StateFolder, record: ContainerRecord, config: BundleConfig): void {
  const { home, freezer } = record;
  if (home === null || freezer === null) return;
  const file = join(path, RECORD);
  const { ino, size, mtimeNs } = attempt(`look at ${file}`, () => lstatSync(file, { bigint: true }));
  const plans = { ...frontPlans({ ...record, home, freezer }, config), record: { inode: ino, size, changedNs: mtimeNs } };
  writeWhole(join(path, PLANS), plansText(plans));
}

import { join } from 'node:path';
import type { GroupLayout } from '../host/cgroup-base.js';
import type { ParsedDeviceRule } from '../options/limits.js';
import { OWN_NAME } from '../plan/constants.js';
import { readGroupFile } from './files/group-files.js';
import { foldersAbove, pathOf } from './group-plan.js';
import { effectiveRules } from './limits/device-rules.js';

/**
 * The text of devices.list in the nearest existing group above one of this name. `null` where nothing depends on it: without v1's
 * controller, and for rules that refuse all but some devices.
 */
export function devicesAbove({ controllers, bases }: GroupLayout, name: string, rules: readonly ParsedDeviceRule[]): string | null {
  const devices = controllers.get('devices');
  const base = devices?.version === 1 ? bases.get(devices.mountPoint)?.path : null;
  if (base == null || !effectiveRules(rules).allows) return null;
  for (const folder of [...foldersAbove(pathOf(base, name), name), join(base, OWN_NAME), base]) {
    const list = readGroupFile(join(folder, 'devices.list'));
    if (list !== null) return list;
  }
  return null;
}

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { UnsupportedError } from '../errors.js';
import { during } from '../native/host-work.js';
import { attempt } from '../native/system-errors.js';
import { newId } from '../plan/id.js';
import { planOf } from '../plan/plan.js';
import { inspectGroups } from './cgroup-base.js';
import type { CgroupFeatures } from './cgroup-features.js';
import { type Feature, lacking, refused, works } from './feature.js';
import { moveToScope, wantsScope, whyNoLimits } from './scope-layout.js';

/** By the kernel's names: those of `memory`, `pidsLimit` and `cpus`. */
const CONTROLLERS = ['memory', 'pids', 'cpu'];

const HAND_ON =
  "Have an administrator set Delegate=cpu memory pids for this user's systemd: systemctl edit user@.service (systemd.resource-control(5)).";

/**
 * Whether containers of this process can have `memory`, `pidsLimit` and `cpus`: in the groups that this process can make or, where an ordinary
 * user can make none, in a scope of the user's systemd. That is tried with a process of its own.
 *
 * @param groups what the groups of this process itself can do
 */
export async function limitsFeature({ controllers }: CgroupFeatures): Promise<Feature> {
  try {
    if (wantsScope(inspectGroups())) return await tryScope();
    const missing = CONTROLLERS.map((name) => controllers[name]).find((controller) => controller?.available === false);
    return missing?.reason == null ? works : lacking(missing.reason, missing.fix);
  } catch (error) {
    return refused(error);
  }
}

/** @throws SyscallError where a process or the scope's group can't be made or read */
async function tryScope(): Promise<Feature> {
  const parked = planOf({ stages: [{ flags: 0, steps: [{ op: 'park' }] }] });
  try {
    return await during(parked, new Map(), async ({ pid }) => {
      const { folder } = await moveToScope({ pid, owner: `try-${newId()}` });
      const file = join(folder, 'cgroup.controllers');
      const handedOn = attempt(`read ${file}`, () => readFileSync(file, 'utf8'))
        .trim()
        .split(' ');
      const kept = CONTROLLERS.filter((name) => !handedOn.includes(name));
      return kept.length === 0 ? works : lacking(`the user's systemd is given no controller ${kept.join(', ')} to hand on`, HAND_ON);
    });
  } catch (error) {
    if (!(error instanceof UnsupportedError)) throw error;
    const { reason, fix } = whyNoLimits(inspectGroups(), error) ?? error;
    return lacking(reason, fix);
  }
}

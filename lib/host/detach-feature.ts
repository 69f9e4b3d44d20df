import { existsSync } from 'node:fs';
import { userInfo } from 'node:os';
import { during } from '../native/host-work.js';
import { newId } from '../plan/id.js';
import { planOf } from '../plan/plan.js';
import { inspectGroups } from './cgroup-base.js';
import { detachedLayout, leaveUnit } from './detached-layout.js';
import { type Feature, lacking, refused, works } from './feature.js';
import { LINGER } from './user-systemd.js';

/** Users whose systemd runs from the boot to the shutdown have a file here (loginctl(1), enable-linger). */
const LINGERING = '/var/lib/systemd/linger';

/** Whether a detached container outlives the unit of this process and the session of its user: tried with a process of its own. */
export async function detachFeature(): Promise<Feature> {
  try {
    const { feature } = detachedLayout(inspectGroups());
    if (feature.available) return feature;
    const plan = planOf({ stages: [{ flags: 0, steps: [{ op: 'park' }] }] });
    const left = await during(plan, new Map(), ({ pid }) => leaveUnit({ pid, owner: `try-${newId()}` }, inspectGroups()));
    if (!left.feature.available) return left.feature;
    return lingers() ? works : lacking('a detached container ends when this user logs out of the last session', LINGER);
  } catch (error) {
    return refused(error);
  }
}

/** @throws SystemError of Node: this user has no name, as in a container */
function lingers(): boolean {
  return existsSync(`${LINGERING}/${userInfo().username}`);
}

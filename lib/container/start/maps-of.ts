import { readFileSync } from 'node:fs';
import { during } from '../../native/host-work.js';
import { attempt } from '../../native/system-errors.js';
import { planOf, Slots } from '../../plan/plan.js';
import type { Step } from '../../plan/steps.js';
import type { IdMap } from '../../plan/user-maps.js';
import type { UserMaps } from '../../plan/userns-maps.js';

/** The maps of a user namespace as this process sees them: the kernel tells them of a process in it alone. @throws SyscallError */
export async function mapsOf(fd: number): Promise<UserMaps & { readonly mayLeaveGroups: boolean }> {
  const slots = new Slots();
  // who has rights in that namespace must not look into the process: nothing but its ids is of there
  const steps: Step[] = [
    { op: 'dumpable', value: 0 },
    { op: 'setns', ns: slots.give(fd), type: 'user' },
    // the change of rights may have made the process dumpable (proc(5), suid_dumpable)
    { op: 'dumpable', value: 0 },
    { op: 'park' },
  ];
  const plan = planOf({ stages: [{ flags: 0, steps }] });
  return during(plan, slots.descriptors, async ({ pid }) => {
    const read = (name: string): string =>
      attempt(`read the ${name} of a user namespace`, () => readFileSync(`/proc/${pid}/${name}`, 'utf8'));
    const mayLeaveGroups = !read('setgroups').startsWith('deny');
    return { uid: parseIdMap(read('uid_map')), gid: parseIdMap(read('gid_map')), mayLeaveGroups };
  });
}

/** Reads uid_map or gid_map. Pure. */
export function parseIdMap(text: string): IdMap[] {
  return text.split('\n').flatMap((line) => {
    const [inside, outside, count] = line.trim().split(/\s+/).map(Number);
    return inside === undefined || outside === undefined || count === undefined ? [] : [{ inside, outside, count }];
  });
}

import { ownerName, start } from '../native/shim.js';
import type { Task } from '../native/task.js';
import { NONE, type Plan } from '../plan/plan.js';
import type { GroupLayout } from './cgroup-base.js';

let prepared: { owner: string; task: Promise<Task> } | undefined;

/** Folders of groups: nacelle/OWNER below the base of each hierarchy. */
export const GROUP_ROOT = 'nacelle';

/**
 * The name under which this process makes what must be on the host; see design: the name is the journal. With the
 * first use comes a task that removes the owner's own, then empty, group folders when this environment ends.
 */
export async function owner(layout: GroupLayout): Promise<string> {
  const name = ownerName();
  if (prepared?.owner !== name) {
    const bases = [...layout.bases.values()].flatMap((base) => (base.path === null ? [] : [base.path]));
    const plan: Plan = {
      prepare: [],
      stages: [],
      undo: bases.flatMap((base) => [
        { op: 'remove_folder', host: true, at: NONE, path: `${base}/${GROUP_ROOT}/${name}`, wait: 1 } as const,
        { op: 'remove_folder', host: true, at: NONE, path: `${base}/${GROUP_ROOT}`, wait: 0 } as const,
      ]),
      reports: [],
      returns: [],
      ending: { signal: 9, forceKillAfterMs: 0 },
    };
    prepared = { owner: name, task: start(plan, new Map()) };
  }
  await prepared.task;
  return name;
}

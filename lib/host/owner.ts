import { writeFileSync } from 'node:fs';
import { ownShim, type Shim } from '../native/shim.js';
import { OWN_NAME } from '../plan/constants.js';
import { NONE, planOf } from '../plan/plan.js';
import type { GroupLayout } from './cgroup-base.js';
import { recordedGroups } from './journal.js';
import { ownBases, reapFirst, writeBases } from './reap.js';

/** By the names of owners. A name is of use as long as its shim lives. */
const prepared = new Map<string, Promise<unknown>>();

/**
 * The name under which a shim of this process makes what must be on the host: the name tells the owner to whoever reaps. The first use starts
 * a task that removes the owner's own group folders, empty by then, when this environment ends. It also removes what dead owners left.
 */
export async function owner(layout: GroupLayout, shim: Shim = ownShim()): Promise<string> {
  const name = shim.owner;
  if (!prepared.has(name)) {
    const bases = ownBases(layout);
    writeBases(name, bases);
    const plan = planOf({
      undo: bases.flatMap((base) => [
        { op: 'remove_folder', host: true, at: NONE, path: `${base}/${OWN_NAME}/${name}`, wait: 1 } as const,
        { op: 'remove_folder', host: true, at: NONE, path: `${base}/${OWN_NAME}`, wait: 0 } as const,
      ]),
    });
    const ready = shim.startPlan(plan, new Map()).then((task) => {
      // the shim died: processes that are in no pid namespace of their own, or cleared their parent-death signal, did not end with it
      task.ended.catch(() => killGroups(layout, name)).finally(() => prepared.delete(name));
      return reapFirst(shim).catch(async (error: unknown) => {
        // the next try starts another task
        await Promise.allSettled([task.close()]);
        throw error;
      });
    });
    prepared.set(name, ready);
  }
  const ready = prepared.get(name);
  try {
    await ready;
  } catch (error) {
    // the next call tries again
    if (prepared.get(name) === ready) prepared.delete(name);
    throw error;
  }
  return name;
}

/**
 * Kills everything of an owner, on the unified tree: in the groups of its name, and in those that it wrote down. The empty folders are
 * left to the next reap.
 */
function killGroups(layout: GroupLayout, name: string): void {
  const base = layout.unified ? layout.bases.get(layout.unified.mountPoint) : undefined;
  if (base?.path == null) return;
  const own = `${base.path}/${OWN_NAME}`;
  kill(`${own}/${name}`);
  for (const group of recorded(name)) if (group.startsWith(`${own}/`)) kill(group);
}

function kill(group: string): void {
  try {
    writeFileSync(`${group}/cgroup.kill`, '1');
  } catch {
    // no group was made, or the kernel is older than 5.14: the next reap kills the processes one by one, and reports those that it can't
    // kill
  }
}

function recorded(name: string): string[] {
  try {
    return recordedGroups(name);
  } catch {
    // the next reap reports a record that can't be read
    return [];
  }
}

import { writeFileSync } from 'node:fs';
import { ownShim, type Shim } from '../native/shim.js';
import { OWN_NAME } from '../plan/constants.js';
import { NONE, planOf } from '../plan/plan.js';
import type { GroupLayout } from './cgroup-base.js';
import { recordedGroups } from './journal.js';
import { ownBases, reapFirst, writeBases } from './reap.js';

interface Prepared {
  readonly ready: Promise<unknown>;
  /** Where the owner's groups are: its file has them too. */
  readonly bases: Set<string>;
}

/** By the names of owners. A name is of use as long as its shim lives. */
const prepared = new Map<string, Prepared>();

/**
 * The name under which a shim of this process makes what must be on the host: the name tells the owner to whoever reaps. The first use starts
 * a task that removes the owner's own group folders, empty by then, when this environment ends. It also removes what dead owners left.
 *
 * @param layout where groups are made; a later one adds to those before
 */
export async function owner(layout: GroupLayout, shim: Shim = ownShim()): Promise<string> {
  const name = shim.owner;
  const own = prepared.get(name) ?? prepare(layout, shim);
  prepared.set(name, own);
  addBases(own, layout, name);
  try {
    await own.ready;
  } catch (error) {
    // the next call tries again
    if (prepared.get(name) === own) prepared.delete(name);
    throw error;
  }
  return name;
}

function prepare(layout: GroupLayout, shim: Shim): Prepared {
  const name = shim.owner;
  const first = ownBases(layout);
  writeBases(name, first);
  const bases = new Set(first);
  const plan = planOf({
    undo: first.flatMap((base) => [
      { op: 'remove_folder', host: true, at: NONE, path: `${base}/${OWN_NAME}/${name}`, wait: 1 } as const,
      { op: 'remove_folder', host: true, at: NONE, path: `${base}/${OWN_NAME}`, wait: 0 } as const,
    ]),
  });
  const ready = shim.startPlan(plan, new Map()).then((task) => {
    // the shim died: processes that are in no pid namespace of their own, or cleared their parent-death signal, did not end with it
    task.ended.catch(() => killGroups(bases, name)).finally(() => prepared.delete(name));
    return reapFirst(shim).catch(async (error: unknown) => {
      // the next try starts another task
      await Promise.allSettled([task.close()]);
      throw error;
    });
  });
  return { ready, bases };
}

/** A shim may have made containers without limits, before it got a scope for those with limits. */
function addBases({ bases }: Prepared, layout: GroupLayout, name: string): void {
  const more = ownBases(layout).filter((base) => !bases.has(base));
  if (more.length === 0) return;
  writeBases(name, [...more, ...bases]);
  for (const base of more) bases.add(base);
}

/**
 * Kills everything of an owner: in the groups of its name, and in those that it wrote down. The empty folders are left to the next reap.
 */
function killGroups(bases: ReadonlySet<string>, name: string): void {
  const groups = recorded(name);
  for (const base of bases) {
    const own = `${base}/${OWN_NAME}`;
    kill(`${own}/${name}`);
    for (const group of groups) if (group.startsWith(`${own}/`)) kill(group);
  }
}

function kill(group: string): void {
  try {
    writeFileSync(`${group}/cgroup.kill`, '1');
  } catch {
    // no group was made, or it is of v1, or the kernel is older than 5.14: the next reap kills the processes one by one, and reports those
    // that it can't kill
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

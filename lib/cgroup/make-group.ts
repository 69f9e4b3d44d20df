import { toError, withCleanupError } from '../errors.js';
import { groupLayout } from '../host/cgroup-base.js';
import { writeRecord } from '../host/journal.js';
import { owner } from '../host/owner.js';
import { removeRecorded, withRecord } from '../host/recorded.js';
import { carryOut, type Holding, hold, undone } from '../native/host-work.js';
import { isShimLost } from '../native/shim-error.js';
import { newId } from '../plan/id.js';
import { NONE, type Plan, type Slots } from '../plan/plan.js';
import type { Step } from '../plan/steps.js';
import { basesBeside, foldersAbove, type GroupPlan, pathOf, planRemoval } from './group-plan.js';
import { recordsOf } from './group-records.js';
import { claim, isOnTheWay, noteMissing } from './parent-folders.js';

/** What removes a group with its owner. */
export interface OwnedGroup extends Holding {
  /** The steps that remove its record. */
  readonly forget: readonly Step[];
}

/** Makes the folders. What is given back removes them when its owner ends; `null` for what persists. */
export async function makeGroup(name: string, group: GroupPlan, slots: Slots, persist: boolean): Promise<OwnedGroup | null> {
  noteMissing(group.folders.flatMap((path) => foldersAbove(path, name)));
  claim(Object.values(group.paths));
  const removal = removalOf(name, group.paths);
  if (!persist) {
    // the record comes before the folders: whoever reaps after this process and its shim finds the folders by it
    const forget = writeRecord(await owner(groupLayout()), newId(), recordsOf(removal.undo));
    const plan = { ...removal, prepare: group.prepare, undo: [...removal.undo, ...forget] };
    return { ...(await withRecord(forget, () => hold(plan, slots.descriptors))), forget };
  }
  try {
    await carryOut({ ...removal, prepare: group.prepare, undo: [] }, slots.descriptors);
    return null;
  } catch (error) {
    throw await withoutGroup({ name, paths: group.paths, owned: null }, error);
  }
}

/** A group that was made. */
interface MadeGroup {
  readonly name: string;
  readonly paths: Readonly<Record<string, string>>;
  readonly owned: OwnedGroup | null;
}

/** Removes a group after a failure. @returns the error to throw: the failure itself, with that of the removal if it failed too */
export async function withoutGroup({ name, paths, owned }: MadeGroup, error: unknown): Promise<unknown> {
  if (owned) return undone([owned], error);
  try {
    await carryOut(removalOf(name, paths));
    return error;
  } catch (cleanup) {
    return withCleanupError(error, toError(cleanup));
  }
}

/** Removes a group, by what holds it or, of one that persists, by its folders. @throws SyscallError */
export async function removeGroup(name: string, paths: Readonly<Record<string, string>>, owned: OwnedGroup | null): Promise<void> {
  if (owned === null) {
    await carryOut(removalOf(name, paths));
    return;
  }
  try {
    await removeRecorded(owned.forget, owned);
  } catch (error) {
    // the task that would have removed the group ended with the shim: the next use works off its record, which must not be left when this
    // returns
    if (!isShimLost(error)) throw error;
    await owner(groupLayout());
    await carryOut(removalOf(name, paths));
  }
}

/**
 * The plan that removes a group wherever it has come to be, by whatever handle; with the folders that were made on the way to it, and our
 * own root, where nothing else is in them.
 */
function removalOf(name: string, paths: Readonly<Record<string, string>>): Plan {
  const beside = basesBeside(groupLayout(), name, paths).map((base) => pathOf(base, name));
  const everywhere = { ...paths, ...Object.fromEntries(beside.map((path) => [path, path])) };
  const removal = planRemoval(everywhere);
  const above = new Set(
    Object.values(everywhere).flatMap((path) => [
      ...foldersAbove(path, name).filter(isOnTheWay),
      path.slice(0, path.length - name.length - 1),
    ]),
  );
  const empty = [...above].map((path): Step => ({ op: 'remove_folder', host: true, at: NONE, path, wait: 0 }));
  return { ...removal, undo: [...removal.undo, ...empty] };
}

import { closeSync, existsSync, openSync, readdirSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { emitWarning } from 'node:process';
import { hasCode, NacelleError, SyscallError } from '../errors.js';
import { thenEnd } from '../native/host-work.js';
import { ownersDir, runtimeDir } from '../native/runtime-dir.js';
import { ownShim, type Shim } from '../native/shim.js';
import { isShimLost } from '../native/shim-error.js';
import { attempt } from '../native/system-errors.js';
import type { Task } from '../native/task.js';
import * as json from '../options/option-fields.js';
import { OWN_NAME } from '../plan/constants.js';
import { NONE, planOf, Slots } from '../plan/plan.js';
import type { Step } from '../plan/steps.js';
import { type GroupLayout, groupLayout } from './cgroup-base.js';
import { removalShim } from './container-shim.js';
import { hasTrees, isOutOfSight, KEPT, parseFile, reapSteps, recordFiles, recordOwners, recordsDir } from './journal.js';

/** What {@link reap} found. */
export interface ReapReport {
  /** Dead owners of which nothing is left. */
  readonly owners: readonly string[];
  /** What could not be removed, and why. The next reap tries it again. */
  readonly failures: readonly NacelleError[];
}

/**
 * Removes what dead owners left, of all primitives: control groups, mounts, folders, links. Nothing of a live owner is touched. The first
 * use in a process does the same, and reports failures as a `NacelleWarning`. Idempotent.
 *
 * An owner lives while its shim holds the lock on its file: pids would mean nothing across pid namespaces. What is in a network namespace that
 * none of the processes visible here is in stays for a process that sees all of the machine's, or that is in the pid namespace of its maker. Two reaps at
 * once do no harm: each takes the lock first, and to remove what is gone is success.
 */
export async function reap(): Promise<ReapReport> {
  try {
    return await reapWell(ownShim());
  } catch (error) {
    // this process hears of its shim's death a moment after that; the next shim goes on with what is left
    if (!isShimLost(error)) throw error;
    return reapWell(ownShim());
  }
}

async function reapWell(first: Shim): Promise<ReapReport> {
  const report = await reapBy(first);
  if (report.failures.length === 0) return report;
  // some of it may belong to ids of a user's containers, over which this process has no right
  const shim = await removalShim();
  if (shim.owner === first.owner) return report;
  const again = await reapBy(shim);
  return { owners: [...report.owners, ...again.owners], failures: again.failures };
}

/** @param shim who removes it */
async function reapBy(shim: Shim): Promise<ReapReport> {
  const owners: string[] = [];
  const failures: NacelleError[] = [];
  for (const owner of listOwners()) {
    // its lock would be given to the shim itself
    if (owner === shim.owner) continue;
    if (owner.endsWith('.new')) {
      await reapUnlocked(join(ownersDir(), owner), shim);
      continue;
    }
    const left = await reapOwner(owner, shim);
    if (left?.length === 0) owners.push(owner);
    failures.push(...(left ?? []));
  }
  return { owners, failures };
}

/**
 * Owners that are alive or dead. A shim that ended while its process wrote a record down has left that record without an owner's file: it
 * gets one, which is there to be locked.
 */
function listOwners(): string[] {
  // first: a shim that starts meanwhile has its file before its records
  const recorded = recordOwners();
  const list = (): string[] => attempt('list the owners', () => readdirSync(ownersDir()));
  const known = new Set(list());
  const lost = recorded.filter((owner) => !known.has(owner) && existsSync(recordsDir(owner)));
  for (const owner of lost) attempt("make the owner's file again", () => closeSync(openSync(join(ownersDir(), owner), 'a', 0o600)));
  return lost.length === 0 ? [...known] : list();
}

/** By the names of those who reap. */
const first = new Map<string, Promise<void>>();

/**
 * Reaps when this process makes something for the first time. When something that others left can't be removed, that is no failure of this
 * process: it is reported as a warning.
 */
export function reapFirst(shim: Shim = ownShim()): Promise<void> {
  const before = first.get(shim.owner);
  if (before !== undefined) return before;
  const done = reapWell(shim).then(({ failures }) => warn(failures));
  first.set(shim.owner, done);
  // the next call tries again
  done.catch(() => first.delete(shim.owner));
  return done;
}

function warn(failures: readonly NacelleError[]): void {
  for (const { message, code } of failures) emitWarning(message, { type: 'NacelleWarning', code });
}

/**
 * The folders below which this process makes groups; first those where a tree is killed as one: what the freezer holds
 * can't be ended from another hierarchy.
 */
export function ownBases(layout: GroupLayout): string[] {
  const first = [layout.unified, layout.controllers.get('freezer')].flatMap((hierarchy) => (hierarchy ? [hierarchy.mountPoint] : []));
  return [...new Set([...first, ...layout.bases.keys()])].flatMap((mountPoint) => layout.bases.get(mountPoint)?.path ?? []);
}

/** Writes into the owner's file where its groups are: whoever reaps may be in another group, as another service is. */
export function writeBases(owner: string, bases: readonly string[]): void {
  attempt("write the owner's file", () => writeFileSync(join(ownersDir(), owner), JSON.stringify(bases)));
}

/** Empty for an owner that made no group. */
function readBases(file: string): string[] {
  return parseFile(file, (text) => (text === '' ? [] : basesField.parse(JSON.parse(text)))) ?? [];
}

/** The file with the evidence of a detached container's end, in its folder. The container stays then, though its shim has died. */
export const EVIDENCE = 'exit';

const basesField = json.array(json.string().refine((path) => path.startsWith('/'), 'must be an absolute path'));

/** Takes the lock of an owner; `null` when the owner is alive, or somebody else was faster. */
async function lockOf(file: string, slots: Slots, shim: Shim): Promise<Task | null> {
  // this plan has no undo: without the lock nothing may be removed
  const plan = planOf({ prepare: [{ op: 'lock', host: true, out: slots.take(), at: NONE, path: file }] });
  try {
    return await shim.startPlan(plan, new Map());
  } catch (error) {
    if (hasCode(error, 'EAGAIN', 'ENOENT')) return null;
    throw error;
  }
}

/** Removes the file of a shim that died before it had locked the file. One that is still starting makes another. */
async function reapUnlocked(file: string, shim: Shim): Promise<void> {
  const task = await lockOf(file, new Slots(), shim);
  if (task) await thenEnd(task, () => task.call([{ op: 'unlink', host: true, at: NONE, path: file }]));
}

/**
 * Reaps one owner. Gives what could not be removed; `null` when the owner is alive, or somebody else was faster, or keeps evidence of an end, or has
 * made something that only a process of another pid namespace can see.
 */
export async function reapOwner(owner: string, shim: Shim): Promise<NacelleError[] | null> {
  const file = join(ownersDir(), owner);
  const slots = new Slots();
  const task = await lockOf(file, slots, shim);
  if (task === null) return null;
  return thenEnd(task, async () => {
    const folder = join(runtimeDir(), 'containers', owner);
    const hasEvidence = existsSync(join(folder, EVIDENCE));
    const failures: NacelleError[] = [];
    // each part is done by itself, so that one that fails doesn't keep the others from being done
    const doEach = async (parts: readonly (() => Step[])[]): Promise<void> => {
      for (const steps of parts) {
        try {
          await task.call(steps());
        } catch (error) {
          if (!(error instanceof NacelleError)) throw error;
          failures.push(error);
        }
      }
    };
    const all = recordFiles(owner).filter((record) => !(hasEvidence && basename(record) === `${KEPT}.json`));
    const records = all.filter((record) => !isOutOfSight(record));
    const ofRecord = (record: string) => (): Step[] => reapSteps(record, slots);
    await doEach([() => groupSteps(owner, ownBases(groupLayout())), () => groupSteps(owner, readBases(file))]);
    const isEmpty = failures.length === 0;
    await doEach(records.filter((record) => !hasTrees(record)).map(ofRecord));
    // a process that can't be killed, or that nobody has looked for, may still use its trees, and has its ids
    if (isEmpty && !failures.some(isOfGroup)) {
      await doEach([
        ...records.filter(hasTrees).map(ofRecord),
        // its shim makes this folder before anything is written down; most owners have none
        () => (hasEvidence || !existsSync(folder) ? [] : [{ op: 'remove_tree', host: true, at: NONE, path: folder }]),
      ]);
    }
    if ((hasEvidence || records.length < all.length) && failures.length === 0) return null;
    // the owner's file goes last: until then the next reap finds the owner again
    if (failures.length === 0) {
      await task.call([
        { op: 'remove_folder', host: true, at: NONE, path: recordsDir(owner), wait: 0 },
        { op: 'unlink', host: true, at: NONE, path: file },
      ]);
    }
    return failures;
  });
}

/** A group that can't be emptied or removed. */
function isOfGroup(failure: NacelleError): boolean {
  return failure instanceof SyscallError && (failure.step === 'kill_group' || failure.step === 'remove_group');
}

/** Groups are in nacelle/OWNER below the base of each hierarchy. */
function groupSteps(owner: string, bases: readonly string[]): Step[] {
  const groups = bases.map((base) => `${base}/${OWN_NAME}/${owner}`);
  return [
    ...groups.map((path): Step => ({ op: 'kill_group', host: true, at: NONE, path })),
    ...groups.map((path): Step => ({ op: 'remove_group', host: true, at: NONE, path })),
    ...bases.map((base): Step => ({ op: 'remove_folder', host: true, at: NONE, path: `${base}/${OWN_NAME}`, wait: 0 })),
  ];
}

import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import { NacelleError } from '../errors.js';
import { ownersDir } from '../native/runtime-dir.js';
import { ownerName, start } from '../native/shim.js';
import { NONE, type Plan } from '../plan/plan.js';
import type { Step } from '../plan/steps.js';
import { type GroupLayout, groupLayout } from './cgroup-base.js';
import { reapSteps } from './journal.js';

/** Folders of groups: nacelle/OWNER below the base of each hierarchy. */
export const GROUP_ROOT = 'nacelle';

/** What `Container.reap()` found. */
export interface ReapReport {
  /** Dead owners whose leavings were removed. */
  readonly owners: readonly string[];
}

/**
 * Removes what dead owners left. An owner lives while its shim holds the lock on its file: pids would mean nothing
 * across pid namespaces. Two at once do no harm: the lock is taken first, and removing what is gone is success.
 */
export async function reap(): Promise<ReapReport> {
  const own = ownerName();
  const folder = ownersDir();
  const owners: string[] = [];
  for (const owner of readdirSync(folder)) {
    // .new: of a shim that is starting, and has not locked it yet
    if (owner !== own && !owner.endsWith('.new') && (await reapOwner(owner, join(folder, owner)))) owners.push(owner);
  }
  return { owners };
}

/**
 * The folders below which this process makes groups; first those where a tree is killed as one: what the freezer holds
 * can't be ended from another hierarchy.
 */
export function ownBases(layout: GroupLayout): string[] {
  const first = [layout.unified, layout.controllers.get('freezer')].flatMap((hierarchy) => (hierarchy ? [hierarchy.mountPoint] : []));
  return [...new Set([...first, ...layout.bases.keys()])].flatMap((mountPoint) => layout.bases.get(mountPoint)?.path ?? []);
}

/** Says in the owner's file where its groups are: who reaps may be in another group itself, as another service is. */
export function writeBases(owner: string, bases: readonly string[]): void {
  writeFileSync(join(ownersDir(), owner), JSON.stringify(bases));
}

/** Empty for an owner that made no group. */
function readBases(file: string): string[] {
  try {
    const text = readFileSync(file, 'utf8');
    return text === '' ? [] : basesSchema.parse(JSON.parse(text));
  } catch (error) {
    // somebody else was faster
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
    throw error;
  }
}

const basesSchema = z.array(z.string().startsWith('/'));

/** false: it is alive, or somebody else was faster. */
async function reapOwner(owner: string, file: string): Promise<boolean> {
  const bases = [...new Set([...ownBases(groupLayout()), ...readBases(file)])];
  const groups = bases.map((base) => `${base}/${GROUP_ROOT}/${owner}`);
  // nothing to undo: when the lock is not to be had, nothing may be removed
  const plan: Plan = {
    prepare: [{ op: 'lock', host: true, out: 0, at: NONE, path: file }],
    stages: [],
    undo: [],
    reports: [],
    returns: [],
    ending: { signal: 9, forceKillAfterMs: 0 },
  };
  try {
    const task = await start(plan, new Map());
    try {
      await task.call([
        ...groups.map((path): Step => ({ op: 'kill_group', host: true, at: NONE, path })),
        ...groups.map((path): Step => ({ op: 'remove_group', host: true, at: NONE, path })),
        ...bases.map((base): Step => ({ op: 'remove_folder', host: true, at: NONE, path: `${base}/${GROUP_ROOT}`, wait: 0 })),
        ...reapSteps(owner),
        // last: until then the next reap would find the owner again
        { op: 'unlink', host: true, at: NONE, path: file },
      ]);
    } finally {
      await task.close();
    }
    return true;
  } catch (error) {
    if (error instanceof NacelleError && (error.code === 'EAGAIN' || error.code === 'ENOENT')) return false;
    throw error;
  }
}

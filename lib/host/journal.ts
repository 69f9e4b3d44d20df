import { mkdirSync, readdirSync, readFileSync, renameSync, statfsSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { runtimeDir } from '../native/runtime-dir.js';
import { NONE } from '../plan/plan.js';
import type { Step } from '../plan/steps.js';

/**
 * Something on the host whose name doesn't say whose it is, for the caller named it: who reaps after a dead owner learns of
 * it here. A record is written before the thing is made, and removed after it, by the shim.
 */
export type HostRecord =
  /** An overlay of this st_dev (stat(2)): what else is mounted there by then is somebody else's. */
  | { readonly kind: 'overlay'; readonly path: string; readonly device: number }
  /** A folder that is empty when nothing is mounted on it. */
  | { readonly kind: 'folder'; readonly path: string }
  /** A folder with all that is in it. */
  | { readonly kind: 'tree'; readonly path: string };

const schema: z.ZodType<HostRecord[]> = z.array(
  z.discriminatedUnion('kind', [
    z.object({ kind: z.literal('overlay'), path: z.string(), device: z.number() }),
    z.object({ kind: z.literal('folder'), path: z.string() }),
    z.object({ kind: z.literal('tree'), path: z.string() }),
  ]),
);

/** OVERLAYFS_SUPER_MAGIC of linux/magic.h. */
const OVERLAY_MAGIC = 0x794c7630;

function recordsDir(owner: string): string {
  return join(runtimeDir(), 'records', owner);
}

/**
 * Writes down what is about to be made, in the order in which it is to be undone.
 *
 * @returns the host steps that remove the record: the last ones of the undo
 */
export function writeRecord(owner: string, id: string, records: readonly HostRecord[]): Step[] {
  const folder = recordsDir(owner);
  const file = join(folder, `${id}.json`);
  for (;;) {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    try {
      // whole or not at all; a crash of the machine takes the mounts along, so nothing is synced
      writeFileSync(`${file}.new`, JSON.stringify(records), { mode: 0o600 });
      renameSync(`${file}.new`, file);
      return forgetSteps(owner, file);
    } catch (error) {
      // the shim removes the folder with its last record: it may have done so just now
      if (!isMissing(error)) throw error;
    }
  }
}

function forgetSteps(owner: string, file: string): Step[] {
  return [
    { op: 'unlink', host: true, at: NONE, path: file },
    { op: 'remove_folder', host: true, at: NONE, path: recordsDir(owner), wait: 0 },
  ];
}

/** All records of an owner, by file. One that was cut off while it was written tells of nothing: nothing was made yet. */
export function readRecords(owner: string): Map<string, HostRecord[]> {
  const records = new Map<string, HostRecord[]>();
  for (const name of namesIn(recordsDir(owner))) {
    const file = join(recordsDir(owner), name);
    records.set(file, name.endsWith('.json') ? schema.parse(JSON.parse(readFileSync(file, 'utf8'))) : []);
  }
  return records;
}

/** Host steps that undo what a dead owner's records tell of, and remove the records. For who holds the owner's lock. */
export function reapSteps(owner: string): Step[] {
  return [...readRecords(owner)].flatMap(([file, records]) => [...records.flatMap(undoSteps), ...forgetSteps(owner, file)]);
}

function undoSteps(record: HostRecord): Step[] {
  const { path } = record;
  switch (record.kind) {
    case 'overlay':
      return isMounted(path, record.device) ? [{ op: 'detach', host: true, at: NONE, path }] : [];
    case 'folder':
      return [{ op: 'remove_folder', host: true, at: NONE, path, wait: 0 }];
    case 'tree':
      return [{ op: 'remove_tree', host: true, at: NONE, path }];
  }
}

function isMounted(path: string, device: number): boolean {
  try {
    return statSync(path).dev === device && statfsSync(path).type === OVERLAY_MAGIC;
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}

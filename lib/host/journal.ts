import { mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import { runtimeDir } from '../native/runtime-dir.js';
import { NONE } from '../plan/plan.js';
import type { Step } from '../plan/steps.js';

/**
 * Something on the host whose name doesn't say whose it is, for the caller named it: who reaps after a dead owner learns of
 * it here. A record is written before the thing is made, and removed after it, by the shim.
 */
export type HostRecord =
  /** A mount with a source that is nobody else's: what is mounted there by then may be. */
  | { readonly kind: 'mount'; readonly path: string; readonly source: string }
  /** A folder that is empty when nothing is mounted on it. */
  | { readonly kind: 'folder'; readonly path: string }
  /** A folder with all that is in it. */
  | { readonly kind: 'tree'; readonly path: string }
  /** A cgroup with its processes, and those below it. */
  | { readonly kind: 'group'; readonly path: string };

const schema: z.ZodType<HostRecord[]> = z.array(
  z.discriminatedUnion('kind', [
    z.object({ kind: z.literal('mount'), path: z.string(), source: z.string() }),
    z.object({ kind: z.literal('folder'), path: z.string() }),
    z.object({ kind: z.literal('tree'), path: z.string() }),
    z.object({ kind: z.literal('group'), path: z.string() }),
  ]),
);

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
    case 'mount':
      return sourceOn(path) === record.source ? [{ op: 'detach', host: true, at: NONE, path }] : [];
    case 'folder':
      return [{ op: 'remove_folder', host: true, at: NONE, path, wait: 0 }];
    case 'tree':
      return [{ op: 'remove_tree', host: true, at: NONE, path }];
    case 'group':
      return [
        { op: 'kill_group', host: true, at: NONE, path },
        { op: 'remove_group', host: true, at: NONE, path },
      ];
  }
}

/** The source of the topmost mount on a path (proc_pid_mountinfo(5)); `null` where there is none. */
function sourceOn(path: string): string | null {
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .map((line) => {
      const [before = '', after = ''] = line.split(' - ');
      const [id = '', parent = '', , , target = ''] = before.split(' ');
      return { id, parent, target: decodeOctal(target), source: decodeOctal(after.split(' ')[1] ?? '') };
    })
    .filter(({ target }) => target === path);
  const covered = new Set(mounts.map(({ parent }) => parent));
  return mounts.find(({ id }) => !covered.has(id))?.source ?? null;
}

/** Space, tab, newline, backslash and '#' are written in octal. */
function decodeOctal(field: string): string {
  return field.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
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

import { constants, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import * as z from 'zod';
import { hasCode, isNacelleError, NacelleError } from '../errors.js';
import { listIfThere } from '../native/read-if-there.js';
import { runtimeDir } from '../native/runtime-dir.js';
import { attempt, systemError } from '../native/system-errors.js';
import { NETLINK_ROUTE } from '../plan/constants.js';
import { NONE, type Slots } from '../plan/plan.js';
import type { Slot, Step } from '../plan/steps.js';
import { forwardingIn, leaveForwarding } from './forwarding.js';
import { findNetworkNamespace, mountedOn, type NotedPidNamespace, ownNetworkNamespace, ownPidNamespace } from './locate.js';

/**
 * Something on the host whose name does not tell its owner, as the caller named it: from this record, whoever reaps after a dead owner
 * learns of it. A record is written before the thing is made, and removed after it, by the shim.
 */
export type HostRecord =
  /** A mount whose source no other mount has: at the time of a reap, somebody else's mount may be at the path. */
  | { readonly kind: 'mount'; readonly path: string; readonly source: string }
  /** A folder that is empty when nothing is mounted on it. */
  | { readonly kind: 'folder'; readonly path: string }
  /** A folder with all that is in it. */
  | { readonly kind: 'tree'; readonly path: string }
  /** A file whose name is nobody else's. */
  | { readonly kind: 'file'; readonly path: string }
  /** The file of a name, which may be another owner's: it has the id of whom the name belongs to. */
  | { readonly kind: 'name'; readonly path: string; readonly id: string }
  /** A cgroup with its processes, and those below it. */
  | { readonly kind: 'group'; readonly path: string }
  /** Network links of a link group that is nobody else's, in a network namespace. */
  | ({ readonly kind: 'links'; readonly group: number } & RecordedNamespace)
  /** The file of a use of a bridge, which is the only link of its group in that namespace and goes with the last file beside. */
  | ({
      readonly kind: 'use';
      readonly path: string;
      /** What the file says: another's has other words. */
      readonly text: string;
      readonly lock: string;
      readonly group: number;
    } & RecordedNamespace);

/** A network namespace, and where the process is that has written it down: whoever reaps may not see the processes there. */
interface RecordedNamespace extends NotedPidNamespace {
  /** Its inode number. */
  readonly namespace: number;
}

/** For a record that this process writes. */
export function recordedNamespace(inode: number): RecordedNamespace {
  return { namespace: inode, ...ownPidNamespace() };
}

let schema: z.ZodType<HostRecord[]> | undefined;

/** Made for the first record that is read: most processes only write theirs. */
function recordsSchema(): z.ZodType<HostRecord[]> {
  const inNamespace = { namespace: z.int().positive(), pids: z.int().positive().optional(), began: z.string().optional() };
  schema ??= z.array(
    z.discriminatedUnion('kind', [
      z.object({ kind: z.literal('mount'), path: z.string(), source: z.string() }),
      z.object({ kind: z.literal('folder'), path: z.string() }),
      z.object({ kind: z.literal('tree'), path: z.string() }),
      z.object({ kind: z.literal('file'), path: z.string() }),
      z.object({ kind: z.literal('name'), path: z.string(), id: z.string() }),
      z.object({ kind: z.literal('group'), path: z.string() }),
      z.object({ kind: z.literal('links'), group: z.int().positive(), ...inNamespace }),
      z.object({
        kind: z.literal('use'),
        path: z.string(),
        text: z.string(),
        lock: z.string(),
        group: z.int().positive(),
        ...inNamespace,
      }),
    ]),
  );
  return schema;
}

/** How often a write is tried: each of the shims that end at the same instant may remove the folder once. */
const ATTEMPTS = 100;

/** The folder of an owner's records, which is removed with the owner's shim, or reaped. */
export function recordsDir(owner: string): string {
  return join(runtimeDir(), 'records', owner);
}

/** The names of those who have records. */
export function recordOwners(): string[] {
  return listIfThere(join(runtimeDir(), 'records'));
}

/**
 * Writes down what is about to be made, in the order in which it is to be undone.
 *
 * @returns the host step that removes the record: the last one of the undo
 */
export function writeRecord(owner: string, id: string, records: readonly HostRecord[]): Step[] {
  const file = join(recordsDir(owner), `${id}.json`);
  writeBeside(file, JSON.stringify(records));
  return forgetSteps(file);
}

/**
 * The same by host steps, for who has a record already, so that the folder is there: the first of them write it down.
 *
 * @returns what comes before all that the record tells of, and the last step of the undo
 */
export function recordSteps(
  owner: string,
  id: string,
  records: readonly HostRecord[],
): { readonly write: Step[]; readonly forget: Step[] } {
  const file = join(recordsDir(owner), `${id}.json`);
  const unfinished = `${file}.new`;
  const write: Step[] = [
    { op: 'put_file', host: true, at: NONE, path: unfinished, bytes: Buffer.from(JSON.stringify(records)) },
    { op: 'rename', host: true, path: unfinished, target: file },
  ];
  return { write, forget: forgetSteps(file) };
}

/** All that {@link writeBeside} may leave of a file: whoever is killed while it writes leaves the second one. */
export function filesOf(file: string): string[] {
  return [file, `${file}.new`];
}

/** Writes a file into the folder of an owner's records. What is no record goes with the folder. */
export function writeBeside(file: string, text: string): void {
  const folder = dirname(file);
  for (let tried = 1; ; ++tried) {
    try {
      // the file is there whole or not at all; a crash of the machine takes the mounts along, so nothing is synced
      writeFileSync(`${file}.new`, text, { mode: 0o600 });
      renameSync(`${file}.new`, file);
      return;
    } catch (error) {
      // this may be the owner's first record; and a shim that ends removes the folders above while they are empty
      if (!isMissing(error)) {
        rmSync(`${file}.new`, { force: true });
        throw systemError(`write the record ${file}`, error);
      }
      if (tried === ATTEMPTS)
        throw new NacelleError(`write the record ${file}: its folder is removed again and again`, { code: 'ENOENT', cause: error });
      attempt(`make the folder of records ${folder}`, () => mkdirSync(folder, { recursive: true, mode: 0o700 }));
    }
  }
}

function forgetSteps(file: string): Step[] {
  return [{ op: 'forget', host: true, path: file }];
}

/** Groups that an owner has written down: whatever they are called, and whether they are made yet. */
export function recordedGroups(owner: string): string[] {
  return recordFiles(owner).flatMap((file) => readRecord(file).flatMap((record) => (record.kind === 'group' ? [record.path] : [])));
}

/** The record of what a detached container leaves when its shim died after its end: it stays until the container is removed. */
export const KEPT = 'kept';

/** Steps that remove what is in {@link KEPT} of an owner, which has gone. */
export function keptSteps(owner: string, slots: Slots): Step[] {
  return [
    ...reapSteps(join(recordsDir(owner), `${KEPT}.json`), slots),
    { op: 'remove_folder', host: true, at: NONE, path: recordsDir(owner), wait: 0 },
  ];
}

/** The files of an owner's records. */
export function recordFiles(owner: string): string[] {
  return listIfThere(recordsDir(owner)).map((name) => join(recordsDir(owner), name));
}

/** The records in a file. A file that was cut off while it was written has none: nothing was made yet. */
export function readRecord(file: string): HostRecord[] {
  if (!file.endsWith('.json')) return [];
  return parseFile(file, (text) => recordsSchema().parse(JSON.parse(text))) ?? [];
}

/** Whether a record tells of trees, which processes may use. */
export function hasTrees(file: string): boolean {
  return tells(file, ({ kind }) => kind === 'tree');
}

/** Whether a record tells of something in a network namespace that others may have, of whom this process can't know. */
export function isOutOfSight(file: string): boolean {
  return tells(file, (record) => 'namespace' in record && findNetworkNamespace(record.namespace, record) === 'out of sight');
}

/** A record that can't be understood is told of when it is undone. */
function tells(file: string, what: (record: HostRecord) => boolean): boolean {
  try {
    return readRecord(file).some(what);
  } catch (error) {
    if (isNacelleError(error)) return false;
    throw error;
  }
}

/**
 * Reads a file of a dead owner; `undefined` where another reaper was faster.
 *
 * @throws NacelleError `ERR_RECORD`: it can't be understood
 */
export function parseFile<T>(file: string, parse: (text: string) => T): T | undefined {
  try {
    return parse(readFileSync(file, 'utf8'));
  } catch (error) {
    if (isMissing(error)) return undefined;
    const refused = systemError(`read ${file}`, error);
    if (refused !== error) throw refused;
    const advice = 'Remove what it names, then the file';
    throw new NacelleError(`${file}, of what a dead owner made, can't be understood. ${advice}`, { code: 'ERR_RECORD', cause: error });
  }
}

/** Host steps that undo what a dead owner's file tells of, and remove the file. The caller must hold the owner's lock. */
export function reapSteps(file: string, slots: Slots): Step[] {
  return [...readRecord(file).flatMap((record) => undoSteps(record, slots)), ...forgetSteps(file)];
}

function undoSteps(record: HostRecord, slots: Slots): Step[] {
  switch (record.kind) {
    case 'mount': {
      const { path, source } = record;
      return mountedOn(path)?.source === source ? [{ op: 'detach', host: true, at: NONE, path }] : [];
    }
    case 'folder':
      return [{ op: 'remove_folder', host: true, at: NONE, path: record.path, wait: 0 }];
    case 'tree':
      return [{ op: 'remove_tree', host: true, at: NONE, path: record.path }];
    case 'file':
      return [{ op: 'unlink', host: true, at: NONE, path: record.path }];
    case 'name':
      return [{ op: 'unlink_if', host: true, at: NONE, path: record.path, bytes: Buffer.from(record.id) }];
    case 'group':
      return [
        { op: 'kill_group', host: true, at: NONE, path: record.path },
        { op: 'remove_group', host: true, at: NONE, path: record.path },
      ];
    case 'links': {
      const { group } = record;
      return linkSteps(record, slots, (socket) => ({ op: 'remove_links', host: true, socket, group }));
    }
    case 'use': {
      const { path, text, lock, group, namespace } = record;
      const leave = (socket: Slot): Step => ({ op: 'leave_bridge', host: true, socket, group, uses: dirname(path), lock });
      return [
        { op: 'unlink_if', host: true, at: NONE, path, bytes: Buffer.from(text) },
        // the shim was killed before it wrote the words: a file that another may have at this place is never empty
        { op: 'unlink_if', host: true, at: NONE, path, bytes: Buffer.alloc(0) },
        ...linkSteps(record, slots, leave),
        // PATH is networks/NETNS/NAME@STORE/uses/USE; the settings of another namespace are put back by who is in that one
        ...(namespace === ownNetworkNamespace() ? [leaveForwarding(forwardingIn(dirname(dirname(dirname(path)))))] : []),
      ];
    }
  }
}

/** A step with a netlink socket in that network namespace. What is in a namespace goes with it. */
function linkSteps(recorded: RecordedNamespace, slots: Slots, remove: (socket: Slot) => Step): Step[] {
  const { namespace } = recorded;
  const found = findNetworkNamespace(namespace, recorded);
  if (typeof found === 'string') return [];
  const { path } = found;
  const [ns, socket] = [slots.take(), slots.take()];
  return [
    { op: 'open', host: true, out: ns, at: NONE, path, flags: constants.O_RDONLY, mode: 0 },
    // the process may have ended since, and its pid be another's: the next reap looks for another path
    { op: 'require_inode', host: true, slot: ns, path, inode: namespace },
    { op: 'netlink_socket', host: true, out: socket, ns, protocol: NETLINK_ROUTE },
    remove(socket),
    { op: 'close', host: true, slot: socket },
    { op: 'close', host: true, slot: ns },
  ];
}

function isMissing(error: unknown): boolean {
  return hasCode(error, 'ENOENT');
}

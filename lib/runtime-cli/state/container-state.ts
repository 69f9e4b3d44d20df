import {
  type BigIntStats,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { readGroupFile } from '../../cgroup/files/group-files.js';
import { hasCode, NacelleError } from '../../errors.js';
import { isLiving } from '../../host/process-identity.js';
import { requireOwn } from '../../native/own-folder.js';
import { attempt } from '../../native/system-errors.js';
import { checkedConfig } from '../../oci-config/checked-config.js';
import { checkedJson } from '../../oci-config/checked-json.js';
import type { BundleConfig } from '../../oci-config/config-schema.js';
import { configText } from '../../oci-config/config-text.js';
import { ownJson } from '../../oci-config/exact-json.js';
import { MAX_DEPTH } from '../../oci-config/lined-json.js';
import * as json from '../../options/option-fields.js';
import { checkedFile } from '../config/read-config.js';
import { NO_CONTAINER, refusal, usageError } from '../config/runtime-error.js';
import { stateText } from './own-files.js';
import { GO, GROUPS, RECORD } from './state-files.js';

const groupSchema = json.object(
  {
    path: json.string(),
    mountPoint: json.string(),
    version: json.either(json.literal(1), json.literal(2)),
    controllers: json.readonlyArray(json.string()),
  },
  {
    /** The unit of systemd whose group this is. */
    unit: json.string(),
    /** Whose systemd has the unit; without: that of the machine. */
    unitOf: json.oneOf(['machine', 'user']),
  },
);

/** What is known of a container between two commands. The number rises when a field changes its meaning. */
const recordSchema = json.object(
  {
    format: json.literal(1),
    ociVersion: json.string(),
    id: json.string(),
    pid: json.int().min(1),
    startTime: json.string(),
    bundle: json.string(),
    rootfs: json.string(),
    created: json.string(),
    owner: json.string(),
    annotations: json.record(json.string(), json.string()),
    /** The container's groups, of which that of `freezer` stops it, and that of `home` has its processes; both are null for a container without groups. */
    groups: json.readonlyArray(groupSchema),
    home: json.string().nullable(),
    freezer: json.object({ path: json.string(), version: json.either(json.literal(1), json.literal(2)) }).nullable(),
    /** config.json as it was, with exact numbers. */
    config: json.unknown(),
  },
  {
    /** The container has a socket to tell that it is ready, for whoever waits for that. */
    notifies: json.boolean(),
  },
);

export type ContainerRecord = Readonly<json.output<typeof recordSchema>>;

/** The status of the spec, and runc's `paused`. */
export type ContainerStatus = 'creating' | 'created' | 'running' | 'paused' | 'stopped';

/** The folder of one container's state. */
export interface StateFolder {
  readonly path: string;
  readonly id: string;
}

/** @throws NacelleError for an id that is no name of a folder */
export function stateFolder(root: string, id: string): StateFolder {
  if (id === '') throw usageError('container ID cannot be empty');
  // runc's rule
  if (!/^[\w+.-]+$/.test(id) || id === '.' || id === '..' || id.length > 1024)
    throw usageError(`invalid container ID format: ${JSON.stringify(id)}`);
  return { path: join(root, id), id };
}

/** Makes the folder of a new container. @throws NacelleError where there is one of this id; SyscallError */
export function makeStateFolder(root: string, id: string): StateFolder {
  const folder = stateFolder(root, id);
  attempt(`make ${root}`, () => mkdirSync(root, { recursive: true, mode: 0o700 }));
  requireOwn(root, { closes: false });
  try {
    mkdirSync(folder.path, { mode: 0o700 });
  } catch (error) {
    if (hasCode(error, 'EEXIST')) throw refusal(`container with given ID already exists: ${id}`);
    throw attempt(`make ${folder.path}`, () => {
      throw error;
    });
  }
  return folder;
}

/** Removes all of the folder. One that is not there is success. */
export function removeStateFolder({ path }: StateFolder): void {
  attempt(`remove ${path}`, () => {
    try {
      // files alone, as a rule: Node takes several times as long for a tree
      for (const name of readdirSync(path)) unlinkSync(join(path, name));
      rmdirSync(path);
    } catch {
      rmSync(path, { recursive: true, force: true });
    }
  });
}

/** Notes the groups that will be made: {@link notedGroups} finds them when nothing else was written. */
export function noteGroups({ path }: StateFolder, groups: ContainerRecord['groups']): void {
  writeOwn(join(path, GROUPS), JSON.stringify(groups));
}

/** The groups of a container that may be half made; empty where none was begun. @throws NacelleError when the note can't be understood */
export function notedGroups({ path }: StateFolder): ContainerRecord['groups'] {
  const file = join(path, GROUPS);
  const text = stateText(file);
  return text === null ? [] : checkedFile(file, text, json.readonlyArray(groupSchema));
}

/** What the file of a record is: another one is another container's. */
export type RecordSeen = Pick<BigIntStats, 'ino' | 'size' | 'mtimeNs'>;

/** Looks at the file of the record. `null`: there is none. */
export function seenRecord({ path }: StateFolder): RecordSeen | null {
  const file = join(path, RECORD);
  return attempt(`look at ${file}`, () => lstatSync(file, { bigint: true, throwIfNoEntry: false })) ?? null;
}

/** Whether the record is still that one. */
export function isSeen(folder: StateFolder, { ino, size, mtimeNs }: RecordSeen): boolean {
  const there = seenRecord(folder);
  return there?.ino === ino && there.size === size && there.mtimeNs === mtimeNs;
}

/** The text of a record, but for what is known last. Pure. */
export function recordText(
  known: Omit<ContainerRecord, 'pid' | 'startTime'>,
): (process: Pick<ContainerRecord, 'pid' | 'startTime'>) => string {
  const text = withoutEnd(configText(known));
  return ({ pid, startTime }) => `${text},\n  "pid": ${pid},\n  "startTime": ${JSON.stringify(startTime)}\n}\n`;
}

/** The text of an object in JSON up to the end of its last field, after which there may be more. Pure. */
export function withoutEnd(text: string): string {
  return text.trimEnd().slice(0, -1).trimEnd();
}

/** Writes the record: whoever reads it sees the one before or this one. @param text of {@link recordText} */
export function writeRecordText({ path }: StateFolder, text: string): void {
  writeOwn(join(path, RECORD), text);
}

/** Writes a file that is there as a whole or not at all, wherever it is. @throws SyscallError */
export function writeWhole(path: string, text: string): void {
  attempt(`write ${path}`, () => {
    // others may write to the folder of a pid file: a name that they can't know, and no link is followed. node:crypto takes 6 ms to load
    writeThenRename(`${path}.${readFileSync('/proc/sys/kernel/random/uuid', 'utf8').trim()}.new`, path, text);
  });
}

/** The same of a file in the folder of a container's state, which nobody else may write to. @throws SyscallError */
export function writeOwn(path: string, text: string): void {
  attempt(`write ${path}`, () => writeThenRename(`${path}.new`, path, text));
}

function writeThenRename(unfinished: string, path: string, text: string): void {
  try {
    writeFileSync(unfinished, text, { mode: 0o644, flag: 'wx' });
    renameSync(unfinished, path);
  } catch (error) {
    rmSync(unfinished, { force: true });
    throw error;
  }
}

/**
 * `null` where a container is only being made.
 *
 * @throws NacelleError where there is none of this id, the record can't be understood, or others could write it: what it says is done with root's rights
 */
export function readRecord({ path, id }: StateFolder): ContainerRecord | null {
  requireOwn(dirname(path), { closes: false });
  requireOwnState(path);
  const file = join(path, RECORD);
  const text = stateText(file);
  if (text !== null) {
    // config.json lies a level deeper here than in its bundle
    const record = checkedJson(file, ownJson(file, text, MAX_DEPTH + 1), recordSchema);
    if (record.id !== id) throw new NacelleError(`${file} is the record of another container`, { code: 'ERR_STATE' });
    return record;
  }
  if (!existsSync(path)) throw refusal(NO_CONTAINER);
  return null;
}

/**
 * Checks that the folder of a container, if it exists, is this user's, and no link: a container that was renamed is another one.
 *
 * @throws NacelleError `ERR_NOT_OWN`
 */
export function requireOwnState(path: string): void {
  if (lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink())
    throw new NacelleError(`the folder ${path} can't be trusted: it is a link. Remove it`, { code: 'ERR_NOT_OWN' });
  requireOwn(path, { closes: false });
}

/** The record of a container that was made. @throws as {@link readRecord} */
export function madeRecord(folder: StateFolder): ContainerRecord {
  const record = readRecord(folder);
  if (record === null) throw refusal(`${NO_CONTAINER}: it is being created`);
  return record;
}

/** The container's config.json. @throws NacelleError for a record that was damaged */
export function configOf({ id, config }: Pick<ContainerRecord, 'id' | 'config'>): BundleConfig {
  return checkedConfig(`config.json in the record of ${id}`, config);
}

/** What the container does now. The kernel is asked, for nobody keeps watch. */
export function statusOf(folder: StateFolder, record: ContainerRecord): ContainerStatus {
  if (!isLiving(record.pid, record.startTime)) return 'stopped';
  if (isFrozen(record)) return 'paused';
  return existsSync(join(folder.path, GO)) ? 'created' : 'running';
}

/** v1 says FREEZING for a moment, while processes that are just about to stand still do not yet. */
export function isFrozen({ freezer }: Pick<ContainerRecord, 'freezer'>): boolean {
  if (freezer === null) return false;
  const { path, version } = freezer;
  const text = readGroupFile(join(path, version === 1 ? 'freezer.state' : 'cgroup.events'));
  return text !== null && (version === 1 ? text.trim() !== 'THAWED' : /^frozen 1$/m.test(text));
}

/** The ids of all containers of a root. @throws NacelleError `ERR_NOT_OWN` where others could write to it */
export function containerIds(root: string): string[] {
  requireOwn(root, { closes: false });
  try {
    return readdirSync(root, { withFileTypes: true }).flatMap((entry) => (entry.isDirectory() ? [entry.name] : []));
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return [];
    throw error;
  }
}

/** The spec's state (runtime.md, "State"), with what runc adds to it. Pure. */
export function stateOf(record: Omit<ContainerRecord, 'startTime'>, status: ContainerStatus): Readonly<Record<string, unknown>> {
  const { ociVersion, id, pid, bundle, rootfs, created, annotations, owner } = record;
  return {
    ...{ ociVersion, id, pid: status === 'stopped' ? 0 : pid, status, bundle, rootfs, created },
    ...(Object.keys(annotations).length === 0 ? {} : { annotations }),
    owner,
  };
}

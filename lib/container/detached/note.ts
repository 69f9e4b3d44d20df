import { readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { types } from 'node:util';
import { hasCode, NacelleError } from '../../errors.js';
import { attempt } from '../../native/system-errors.js';
import { FORCE_KILL_AFTER } from '../../process/options/parsed-process.js';
import { signalName } from '../../process/options/signals.js';
import type { ResolvedOptions } from '../options/inspect-types.js';
import type { ProgramSpec } from '../plan/program-spec.js';
import type { ContainerRecord } from '../start/container-record.js';
import { containerFolder } from './container-folders.js';
import { wrongIn } from './note-shape.js';

/** The version of this file's form. */
const VERSION = 1;

/** Bytes. Nobody is to be kept busy with more, by labels as long as that or by accident. */
const MOST = 64 * 1024 ** 2;

interface Note {
  readonly version: number;
  readonly boot: string;
  readonly record: OlderRecord;
}

/** Options that came later than the others. */
type LaterOptions = Pick<
  ResolvedOptions,
  'profile' | 'bandwidth' | 'timeOffsets' | 'hostPorts' | 'egress' | 'killSignal' | 'forceKillAfterDelay' | 'oomScoreAdj'
>;

/** A record as an older version of this library may have noted it. */
type OlderRecord = Omit<
  ContainerRecord,
  'program' | 'mounts' | 'options' | 'bundle' | 'userns' | 'networks' | 'links' | 'ports' | 'sharedNetworks' | 'guarded'
> & {
  readonly networks?: readonly (Omit<ContainerRecord['networks'][number], 'names'> & { readonly names?: readonly string[] })[];
  readonly links?: ContainerRecord['links'];
  readonly ports?: ContainerRecord['ports'];
  readonly sharedNetworks?: ContainerRecord['sharedNetworks'];
  readonly guarded?: ContainerRecord['guarded'];
  readonly userns?: ContainerRecord['userns'];
  readonly bundle?: ContainerRecord['bundle'];
  readonly options?: (Omit<ResolvedOptions, keyof LaterOptions> & Partial<LaterOptions>) | null;
  readonly mounts: readonly (Omit<ContainerRecord['mounts'][number], 'name'> & { readonly name?: string | null })[];
  readonly program: Omit<ProgramSpec, 'groupAdd'> & Partial<Pick<ProgramSpec, 'groupAdd'>>;
};

/** What a list shows of a container. It has neither numbers of 64 bits nor bytes. */
export type ListedRecord = Pick<OlderRecord, 'id' | 'name' | 'labels' | 'command' | 'createdAt' | 'group' | 'networks' | 'sharedNetworks'>;

let boot: string | undefined;

/** No process outlives a boot, so the file is read once. */
function bootId(): string {
  boot ??= attempt('read the boot id', () => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim());
  return boot;
}

/** JSON has no numbers of 64 bits and no bytes. They are told by a list, for a label may have any name and any text. */
function replacer(this: object, key: string, value: unknown): unknown {
  // a Buffer has been made an object by now
  const raw: unknown = Reflect.get(this, key);
  if (typeof raw === 'bigint') return { $bigint: [String(raw)] };
  if (types.isUint8Array(raw)) return { $bytes: [Buffer.from(raw).toString('base64')] };
  return value;
}

function reviver(_: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  const [entry, ...others] = Object.entries(value);
  if (entry === undefined || others.length > 0) return value;
  const [key, list] = entry;
  const text: unknown = Array.isArray(list) ? list[0] : undefined;
  if (key === '$bigint' && typeof text === 'string') return BigInt(text);
  if (key === '$bytes' && typeof text === 'string') return new Uint8Array(Buffer.from(text, 'base64'));
  return value;
}

/**
 * Writes down what a container is. Readers see the note before or the new one, never half of one.
 *
 * @throws NacelleError `ERR_NOTE`: it would be longer than anybody reads; SyscallError
 */
export function writeNote(record: ContainerRecord): void {
  const path = join(containerFolder(record.id), 'note');
  const note: Note = { version: VERSION, boot: bootId(), record };
  const text = Buffer.from(JSON.stringify(note, replacer));
  if (text.length > MOST) throw unusable(path, tooLong(text.length));
  attempt(`write ${path}`, () => {
    writeFileSync(`${path}.new`, text, { mode: 0o600 });
    renameSync(`${path}.new`, path);
  });
}

/**
 * What a container is; `null` where there is no such container, or it is being made.
 *
 * @throws NacelleError `ERR_NOTE`: the note is damaged, or another version's
 */
export function readNote(id: string): ContainerRecord | null {
  const record = read(id, reviver);
  return record === null ? null : completed(record);
}

/** The part of a note that a list shows: to revive numbers and bytes would take most of a long list's time. @throws as {@link readNote} */
export function readListed(id: string): ListedRecord | null {
  return read(id);
}

/** What a note says; `null` also for one that is damaged: `Container.attach` tells why. */
export function unlessDamaged<T>(readIt: () => T | null): T | null {
  try {
    return readIt();
  } catch (error) {
    if (hasCode(error, 'ERR_NOTE')) return null;
    throw error;
  }
}

/** Fills in what a container of an older version can't have had. */
function completed(record: OlderRecord): ContainerRecord {
  const { program, mounts, options = null } = record;
  return {
    ...record,
    userns: record.userns ?? null,
    bundle: record.bundle ?? null,
    networks: (record.networks ?? []).map((network) => ({ ...network, names: network.names ?? [] })),
    links: record.links ?? null,
    ports: record.ports ?? null,
    sharedNetworks: record.sharedNetworks ?? [],
    guarded: record.guarded ?? [],
    options: options === null ? null : { ...laterOptions(record), ...options },
    mounts: mounts.map((mount) => ({ ...mount, name: mount.name ?? null })),
    program: { ...program, groupAdd: program.groupAdd ?? [] },
  };
}

/** What an older version of this library noted of them elsewhere. */
function laterOptions({ program, detached }: OlderRecord): LaterOptions {
  const { killSignal = 9, forceKillAfterDelay = FORCE_KILL_AFTER } = detached?.process ?? {};
  return {
    profile: null,
    bandwidth: null,
    timeOffsets: null,
    hostPorts: [],
    egress: null,
    killSignal: signalName(killSignal) ?? killSignal,
    forceKillAfterDelay,
    oomScoreAdj: program.oomScoreAdj,
  };
}

function read(id: string, revive?: typeof reviver): OlderRecord | null {
  const path = join(containerFolder(id), 'note');
  const text = attempt(`read ${path}`, () => {
    try {
      const size = sizeOf(path);
      if (size > MOST) throw unusable(path, tooLong(size));
      return readFileSync(path, 'utf8');
    } catch (error) {
      if (hasCode(error, 'ENOENT', 'ENOTDIR')) return null;
      throw error;
    }
  });
  if (text === null) return null;
  const note = parseNote(text, { id, path, revive });
  // the runtime folder is on a disk, and the machine was started again: the container is gone
  return note.boot === bootId() ? note.record : null;
}

function sizeOf(path: string): number {
  const status = statSync(path);
  // to open a FIFO would wait
  if (!status.isFile()) throw unusable(path, 'it is no file');
  return status.size;
}

function parseNote(text: string, { id, path, revive }: { id: string; path: string; revive: typeof reviver | undefined }): Note {
  let value: unknown;
  try {
    value = JSON.parse(text, revive);
  } catch (cause) {
    throw unusable(path, 'it is damaged', cause);
  }
  if (!isNote(value)) throw unusable(path, 'it is damaged');
  if (value.version !== VERSION) throw unusable(path, `it is of version ${value.version}, and this library reads ${VERSION}`);
  const wrong = wrongIn(value.record, id);
  if (wrong !== null) throw unusable(path, `it is damaged: ${wrong}`);
  return value;
}

function isNote(value: unknown): value is Note {
  if (typeof value !== 'object' || value === null) return false;
  const { version, boot, record } = value as Partial<Note>;
  return typeof version === 'number' && typeof boot === 'string' && typeof record === 'object' && record !== null;
}

function unusable(path: string, why: string, cause?: unknown): NacelleError {
  return new NacelleError(`the note of a container, ${path}, can't be used: ${why}`, { code: 'ERR_NOTE', cause });
}

function tooLong(size: number): string {
  return `it has ${size} bytes, more than ${MOST}`;
}

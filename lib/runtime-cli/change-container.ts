import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { hasCode, toError } from '../errors.js';
import { isLiving } from '../host/process-identity.js';
import { delay } from '../native/clock.js';
import { carryOut } from '../native/host-work.js';
import { readIfThere } from '../native/read-if-there.js';
import { signalProcesses } from '../native/signal-process.js';
import { attempt } from '../native/system-errors.js';
import type { BundleConfig } from '../oci-config/config-schema.js';
import { SIGKILL } from '../plan/constants.js';
import { NONE, planOf } from '../plan/plan.js';
import { checkSignal } from '../process/options/signals.js';
import type { Caller } from './caller/caller.js';
import {
  ALREADY_PAUSED,
  NO_CONTAINER,
  NO_GROUPS,
  NOT_PAUSED,
  NOT_RUNNING,
  notStopped,
  refusal,
  usageError,
} from './config/runtime-error.js';
import { removeGroups } from './create-container.js';
import { runEachHook } from './run-hooks.js';
import {
  type ContainerRecord,
  type ContainerStatus,
  configOf,
  isFrozen,
  isSeen,
  madeRecord,
  notedGroups,
  type RecordSeen,
  readRecord,
  removeStateFolder,
  type StateFolder,
  stateOf,
  statusOf,
} from './state/container-state.js';
import { processesIn } from './state/group-processes.js';
import { inTurn, inTurnByForce } from './state/state-lock.js';

/** A signal as callers write it: a number, or a name with or without SIG, in any case. Pure. @throws NacelleError */
export function signalOf(text: string): number {
  const number = /^\d+$/.test(text) ? Number(text) : null;
  // no signal, by which whoever sends it finds out whether there is anybody (kill(2))
  if (number === 0) return 0;
  const realTime = /^(?:SIG)?RTMIN(?:\+(\d+))?$/i.exec(text);
  const name = `SIG${text.toUpperCase().replace(/^SIG/, '')}`;
  const checked = checkSignal(number ?? (realTime ? 34 + Number(realTime[1] ?? 0) : name));
  if ('problem' in checked) throw usageError(`unknown signal ${JSON.stringify(text)}`);
  return checked.number;
}

/**
 * Sends a signal to the container's first process; with `all` to each of its group. SIGKILL of a container without a pid namespace of its own
 * is for all of the group, too, since nothing else would end the others.
 *
 * @throws NacelleError: 'container not running'
 */
export async function killContainer(folder: StateFolder, signal: number, { all }: { readonly all: boolean }): Promise<void> {
  const record = madeRecord(folder);
  const status = statusOf(folder, record);
  if (all || (signal === SIGKILL && !hasOwnPids(record))) {
    const pids = processesOf(record, status);
    if (status === 'stopped' && pids.length === 0 && !all) throw refusal(NOT_RUNNING);
    signalProcesses(pids, signal, () => processesOf(record, statusOf(folder, record)));
    thawKilled(record, { status, signal });
    // more may have come since they were counted
    if (signal === SIGKILL && pids.length > 0) await killGroup(record);
  } else {
    if (status === 'stopped') throw refusal(NOT_RUNNING);
    signalFirst(record, signal);
    thawKilled(record, { status, signal });
  }
}

/** Of a container without groups nothing but its first process can be told from others. */
function processesOf({ home, pid }: ContainerRecord, status: ContainerStatus): number[] {
  if (home !== null) return processesIn(home);
  return status === 'stopped' ? [] : [pid];
}

/** Processes that stand still hear of no signal; v2 lets those go that are killed. */
function thawKilled(record: ContainerRecord, { status, signal }: { readonly status: ContainerStatus; readonly signal: number }): void {
  if (signal === SIGKILL && status === 'paused') thaw(record);
}

/** Kills what is in the group of a container, however it multiplies. @throws SyscallError */
async function killGroup({ home }: ContainerRecord): Promise<void> {
  if (home === null) return;
  await carryOut(planOf({ undo: [{ op: 'kill_group', host: true, at: NONE, path: home }] }));
}

function hasOwnPids(record: ContainerRecord): boolean {
  return configOf(record).linux?.namespaces.some(({ type, path }) => type === 'pid' && !path) ?? false;
}

/** Nothing happens where it has ended, though another process may have its number. */
function signalFirst({ pid, startTime }: ContainerRecord, signal: number): void {
  signalProcesses([pid], signal, (held) => held.filter((number) => isLiving(number, startTime)));
}

/** @throws NacelleError: 'container not running' */
export async function pauseContainer(folder: StateFolder): Promise<void> {
  const record = madeRecord(folder);
  const status = statusOf(folder, record);
  if (status === 'paused') throw refusal(ALREADY_PAUSED);
  if (status !== 'running' && status !== 'created') throw refusal(NOT_RUNNING);
  freeze(record, true);
  await untilFrozen(record);
}

/** @throws NacelleError: 'container not paused' */
export function resumeContainer(folder: StateFolder): void {
  const record = madeRecord(folder);
  if (statusOf(folder, record) !== 'paused') throw refusal(NOT_PAUSED);
  thaw(record);
}

function thaw(record: ContainerRecord): void {
  freeze(record, false);
}

function freeze({ freezer }: ContainerRecord, stop: boolean): void {
  if (freezer === null) throw refusal(NO_GROUPS);
  const { path, version } = freezer;
  const [file, word] = version === 1 ? ['freezer.state', stop ? 'FROZEN' : 'THAWED'] : ['cgroup.freeze', stop ? '1' : '0'];
  attempt(`${stop ? 'freeze' : 'thaw'} ${path}`, () => writeFileSync(join(path, file), word));
}

/** v1 may have to be asked again: a process that was just being made, or is in the kernel, does not stand still at once. */
async function untilFrozen(record: ContainerRecord): Promise<void> {
  for (let tries = 0; tries < 2000; ++tries) {
    const { freezer } = record;
    if (freezer === null) return;
    const { path, version } = freezer;
    if (version === 2 ? isFrozen(record) : readIfThere(join(path, 'freezer.state'))?.trim() === 'FROZEN') return;
    await delay(1);
    if (version === 1) freeze(record, true);
  }
  thaw(record);
  throw refusal('the processes of the container do not stand still');
}

/**
 * Removes a container that has ended, or was only created; with `force` any, one that is not there, and one of which a command that was killed made a
 * part. Of two at once, one does; a command that makes or starts the container is waited for.
 *
 * @param only the container of this record alone: somebody may have deleted it, and made another one of this id
 * @throws NacelleError: 'container does not exist'; for one that runs
 */
export async function deleteContainer(
  folder: StateFolder,
  { force, caller, only }: { readonly force: boolean; readonly caller: Caller; readonly only?: RecordSeen },
): Promise<void> {
  const remove = async (): Promise<ContainerRecord | null> =>
    only === undefined || isSeen(folder, only) ? removeContainer(folder, force, caller) : null;
  let removed: ContainerRecord | null;
  try {
    removed = await (force ? inTurnByForce : inTurn)(folder, remove);
  } catch (error) {
    if (force && !existsSync(folder.path)) return;
    throw error;
  }
  if (removed !== null) await runPoststop(removed, configOf(removed), caller);
}

/** Removes what is left of a container that has ended with its shim, which has removed its groups. */
export async function deleteEnded({ folder, record, seen, config }: EndedContainer, caller: Caller): Promise<void> {
  const isRemoved = await inTurnIfSeen(folder, seen, () => removeStateFolder(folder));
  if (isRemoved) await runPoststop(record, config, caller);
}

/**
 * Does what is for the container of a record alone: somebody may have deleted it, and made another one of its id.
 *
 * @returns whether it is still there
 */
export async function inTurnIfSeen(folder: StateFolder, seen: RecordSeen, work: () => Promise<void> | void): Promise<boolean> {
  try {
    return await inTurn(folder, async () => {
      const isThere = isSeen(folder, seen);
      if (isThere) await work();
      return isThere;
    });
  } catch (error) {
    if (!existsSync(folder.path)) return false;
    throw error;
  }
}

/** A container that this process has made. */
interface EndedContainer {
  readonly folder: StateFolder;
  readonly record: ContainerRecord;
  /** The file of the record. */
  readonly seen: RecordSeen;
  readonly config: BundleConfig;
}

/** The failures of these hooks are told, and change nothing (runtime.md, "Lifecycle"). */
async function runPoststop(record: ContainerRecord, { hooks }: BundleConfig, { env, tell }: Caller): Promise<void> {
  const given = { state: JSON.stringify(stateOf(record, 'stopped')), env, cwd: '/' };
  for (const { message } of await runEachHook('poststop', hooks?.poststop ?? [], given)) tell(message);
}

/** @returns the record; `null` where there is none that can be read */
async function removeContainer(folder: StateFolder, force: boolean, caller: Caller): Promise<ContainerRecord | null> {
  const record = force ? recordIfWhole(folder, caller) : readRecord(folder);
  if (record === null && !force) throw refusal(`${NO_CONTAINER}: whoever made it was killed (delete --force removes what is left)`);
  if (record !== null) {
    const status = statusOf(folder, record);
    if (!force && status !== 'stopped' && status !== 'created') throw refusal(notStopped(folder.id, status));
    if (status === 'paused') thaw(record);
    if (force && status !== 'stopped') takeBack(record);
    if (status !== 'stopped') signalFirst(record, SIGKILL);
  }
  await removeGroups(record?.groups ?? notedGroups(folder), caller);
  removeStateFolder(folder);
  return record;
}

/** Has a process go on that somebody froze in a group of v1 of their own: in there it would hear of no signal. */
function takeBack({ freezer, pid, startTime }: ContainerRecord): void {
  if (freezer?.version !== 1 || !isLiving(pid, startTime)) return;
  try {
    writeFileSync(join(freezer.path, 'cgroup.procs'), String(pid));
  } catch (error) {
    // it has ended, or its group has been removed
    if (!hasCode(error, 'ESRCH', 'ENOENT')) throw error;
  }
}

/** A record that was damaged, or is another runtime's, is told of and removed with the rest. */
function recordIfWhole(folder: StateFolder, { tell }: Caller): ContainerRecord | null {
  try {
    return readRecord(folder);
  } catch (error) {
    if (!hasCode(error, 'ERR_INVALID_OPTION', 'ERR_STATE') || !existsSync(folder.path)) throw error;
    tell(toError(error).message);
    return null;
  }
}

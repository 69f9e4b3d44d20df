import { closeSync, constants, readFileSync, renameSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { hasCode, type SyscallError } from '../errors.js';
import { hearPipe } from '../native/heard-pipe.js';
import { adoptDescriptor } from '../native/load-addon.js';
import { ensureShim } from '../native/shim.js';
import { attempt, nativeError } from '../native/system-errors.js';
import { SIGKILL } from '../plan/constants.js';
import type { Caller } from './caller/caller.js';
import { inTurnIfSeen, killContainer } from './change-container.js';
import { CANNOT_START_RUNNING, CANNOT_START_STOPPED, NO_CONTAINER, refusal } from './config/runtime-error.js';
import { beginNotifying, type Notifier } from './notify-socket.js';
import { programFailure } from './program-failure.js';
import { runHooks } from './run-hooks.js';
import {
  type ContainerRecord,
  configOf,
  madeRecord,
  type RecordSeen,
  type StateFolder,
  seenRecord,
  stateOf,
  statusOf,
} from './state/container-state.js';
import { openPipe } from './state/own-files.js';
import { GO, GOING, TOLD } from './state/state-files.js';
import { inTurn } from './state/state-lock.js';
import { undoneAfter } from './undone-after.js';

/**
 * Lets the process of a created container run its program. Of two at once, one does.
 *
 * @returns who hears when the container is ready; `null`: nobody waits for that
 * @throws NacelleError when the container is not created, or its program could not be run, in the words of the step; when a poststart hook fails, and then
 * the container has been killed
 */
export async function startContainer(folder: StateFolder, caller: StartCaller): Promise<Notifier | null> {
  return untilRunning(folder, await inTurn(folder, () => sendOn(folder, madeRecord(folder), { caller, isAttached: false })), caller);
}

type StartCaller = Pick<Caller, 'env' | 'pid'>;

/** A container whose process goes on to its program. */
export interface SentOn {
  readonly record: ContainerRecord;
  /** The file of the record. */
  readonly seen: RecordSeen;
  /** The descriptor by which the process tells of a failure. */
  readonly told: number;
  /** Who hears when the container is ready; `null`: nobody waits for that. */
  readonly notifier: Notifier | null;
}

/**
 * Lets the process of a created container go on, in the turn of whoever has the container's lock.
 *
 * @param isAttached the runtime stays until the container's end
 * @throws NacelleError when the container is not created
 */
export async function sendOn(
  folder: StateFolder,
  record: ContainerRecord,
  { caller, isAttached }: { readonly caller: StartCaller; readonly isAttached: boolean },
): Promise<SentOn> {
  const status = statusOf(folder, record);
  if (status === 'stopped') throw refusal(CANNOT_START_STOPPED);
  if (status !== 'created') throw refusal(CANNOT_START_RUNNING);
  const seen = seenRecord(folder);
  if (seen === null) throw refusal(NO_CONTAINER);
  const notifier = await beginNotifying(folder, record, { caller, isAttached });
  try {
    return { record, seen, told: begin(folder), notifier };
  } catch (error) {
    throw await undoneAfter(error, () => notifier?.end());
  }
}

/** Waits until the program runs, and then does what hooks ask for. @throws as {@link startContainer} */
export async function untilRunning(
  folder: StateFolder,
  { record, seen, told, notifier }: SentOn,
  caller: Pick<Caller, 'env'>,
): Promise<Notifier | null> {
  try {
    const failure = await hearPipe(adoptDescriptor(told)).text;
    if (failure !== '') throw startFailure(failure);
    await runPoststart(folder, { record, seen }, caller);
    return notifier;
  } catch (error) {
    throw await undoneAfter(error, () => notifier?.end());
  }
}

/** A container that one of these hooks did not accept is stopped (runtime.md, "Lifecycle", since 1.3). @throws NacelleError */
async function runPoststart(
  folder: StateFolder,
  { record, seen }: Pick<SentOn, 'record' | 'seen'>,
  { env }: Pick<Caller, 'env'>,
): Promise<void> {
  const { hooks } = configOf(record);
  try {
    if (hooks?.poststart?.length) await ensureShim();
    await runHooks('poststart', hooks?.poststart ?? [], { state: JSON.stringify(stateOf(record, 'running')), env, cwd: '/' });
  } catch (error) {
    throw await undoneAfter(error, () => inTurnIfSeen(folder, seen, () => killContainer(folder, SIGKILL, { all: true })));
  }
}

/** As {@link startContainer}, for a runtime that does not stay: it waits until the container is ready, where somebody wants to know. @throws NacelleError */
export async function startDetached(folder: StateFolder, caller: StartCaller): Promise<void> {
  const notifier = await startContainer(folder, caller);
  const failure = await notifier?.told;
  if (failure) throw failure;
}

/** Sends the process on. @returns the descriptor by which it tells of a failure */
function begin(folder: StateFolder): number {
  const told = openPipe(join(folder.path, TOLD), constants.O_RDONLY);
  try {
    sendByte(folder);
  } catch (error) {
    closeSync(told);
    throw error;
  }
  return told;
}

/** Of two that send the process on, one renames the pipe. One without a reader is that of a process that has ended. */
function sendByte({ path }: StateFolder): void {
  try {
    const go = openPipe(join(path, GO), constants.O_WRONLY);
    try {
      renameSync(join(path, GO), join(path, GOING));
      writeSync(go, '0');
    } finally {
      closeSync(go);
    }
  } catch (error) {
    if (hasCode(error, 'ENXIO', 'EPIPE')) throw refusal(CANNOT_START_STOPPED);
    throw error;
  }
}

/** What the front has heard of the process that it has sent on, from a descriptor. */
export function failureTold(fd: number): SyscallError {
  return startFailure(attempt('read what the process has told', () => readFileSync(fd, 'utf8')));
}

/** What a process told that waited for its start: 'errno words', as addon/shim/child/child.cc writes it. */
export function startFailure(told: string): SyscallError {
  const [, errno = '0', words = told] = /^(\d+) (.*)$/s.exec(told) ?? [];
  const [, program] = /^run ([^:]*)$/.exec(words) ?? [];
  if (program !== undefined) return programFailure(program, Number(errno));
  return nativeError(words, 'execve', Number(errno));
}

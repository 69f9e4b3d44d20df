import { existsSync, lstatSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { withRemovable } from '../../store/removable-lock.js';
import { NO_CONTAINER, refusal } from '../config/runtime-error.js';
import { requireOwnState, type StateFolder } from './container-state.js';
import { LOCK } from './state-files.js';

/**
 * Commands that make, start or remove a container come one after the other, each with what the last one left. The lock ends with its process, however
 * that dies. No hook of poststart or poststop runs meanwhile, so that none keeps a container from being removed.
 *
 * @throws NacelleError: 'container does not exist', also when it was removed meanwhile; what the work throws
 */
export function inTurn<T>(folder: StateFolder, work: () => Promise<T>): Promise<T> {
  return withRemovable(join(folder.path, LOCK), () => requireFolder(folder), work);
}

/** As {@link inTurn}, for whoever removes what is damaged too: what is no file can't be locked, and nobody has it locked. */
export function inTurnByForce<T>(folder: StateFolder, work: () => Promise<T>): Promise<T> {
  requireFolder(folder);
  const lock = join(folder.path, LOCK);
  if (lstatSync(lock, { throwIfNoEntry: false })?.isFile() === false) rmSync(lock, { recursive: true, force: true });
  return inTurn(folder, work);
}

function requireFolder({ path }: StateFolder): void {
  if (!existsSync(path)) throw refusal(NO_CONTAINER);
  requireOwnState(path);
}

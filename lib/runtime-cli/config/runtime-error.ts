import { NacelleError } from '../../errors.js';

/** A refusal of a command, in the words that callers of runc look for. */
export function refusal(message: string): NacelleError {
  return new NacelleError(message, { code: 'ERR_STATE' });
}

/** A command line that can't be understood. */
export function usageError(message: string): NacelleError {
  return new NacelleError(message, { code: 'ERR_INVALID_OPTION' });
}

/** delete and kill are told apart by these words: containerd and podman take them for success. */
export const NO_CONTAINER = 'container does not exist';
export const NOT_RUNNING = 'container not running';
/** Whoever may make no groups has containers without, unless config.json names one. */
export const NO_GROUPS = 'the container has no control groups: it was made without them';
export const ALREADY_PAUSED = 'container is already paused';
export const NOT_PAUSED = 'container not paused';
export const CANNOT_START_STOPPED = 'cannot start a container that has stopped';
export const CANNOT_START_RUNNING = 'cannot start an already running container';

/** Of `delete` without `force`. Pure. */
export function notStopped(id: string, status: string): string {
  return `cannot delete container ${id} that is not stopped: ${status}`;
}

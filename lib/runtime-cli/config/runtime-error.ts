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

import { NacelleError } from '../../errors.js';

/** The error for a stream of the caller's that failed before there was a program. */
export function streamFailed(cause: Error): NacelleError {
  return new NacelleError(`one of the program's streams failed: ${cause.message}`, { code: 'ERR_STREAM', cause });
}

import { constants } from 'node:os';
import { closeDescriptor } from './load-addon.js';
import type { Results } from './messages.js';
import { nativeError } from './system-errors.js';
import type { TaskOutput } from './task.js';

/** Whether this process had no room for all descriptors of a message: then those that came are closed. */
export function isCut({ slots }: Results, fds: readonly number[]): boolean {
  if (fds.length === slots.length) return false;
  for (const fd of fds) closeDescriptor(fd);
  return true;
}

export function cutError(): Error {
  return nativeError('take descriptors from the shim', 'recvmsg', constants.errno.EMFILE);
}

/** What a message brought, with the descriptors that came along. */
export function output({ outputs, slots }: Results, fds: readonly number[]): TaskOutput {
  return { outputs, descriptors: new Map(slots.map((slot, i) => [slot, fds[i] ?? -1])) };
}

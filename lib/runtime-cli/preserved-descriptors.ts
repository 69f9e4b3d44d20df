import { readlinkSync } from 'node:fs';
import { hasCode } from '../errors.js';
import { usageError } from './config/runtime-error.js';

/** What the program gets beside 0, 1 and 2. */
export interface PreservedDescriptors {
  /** This process's own, from 3 on. */
  readonly descriptors: readonly number[];
  /** Variables that tell the program of those that are sockets to listen at (sd_listen_fds(3)). */
  readonly env: readonly string[];
}

/** The first descriptor after standard error. */
const FIRST = 3;

/**
 * Descriptors that the caller of the runtime has opened for the program: those of socket activation come first, as in runc, and then `preserved` ones.
 *
 * @throws NacelleError `ERR_INVALID_OPTION` for one that is not open
 */
export function preservedDescriptors(
  preserved: number,
  { LISTEN_FDS, LISTEN_PID }: Readonly<Record<string, string | undefined>>,
): PreservedDescriptors {
  const sockets = LISTEN_PID === String(process.pid) && /^[1-9]\d{0,4}$/.test(LISTEN_FDS ?? '') ? Number(LISTEN_FDS) : 0;
  const descriptors = Array.from({ length: sockets + preserved }, (_, index) => FIRST + index);
  for (const fd of descriptors)
    if (!isCallers(fd)) throw usageError(`please check that preserved-fd ${fd} (of ${descriptors.length}) is present: it is not open`);
  return { descriptors, env: sockets === 0 ? [] : [`LISTEN_FDS=${sockets}`, 'LISTEN_PID=1'] };
}

/** Node takes the lowest numbers that its caller has left free, the very first for an epoll: so where one is missing, there is that. */
function isCallers(fd: number): boolean {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`) !== 'anon_inode:[eventpoll]';
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return false;
    throw error;
  }
}

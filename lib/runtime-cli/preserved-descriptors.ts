import type { Caller } from './caller/caller.js';
import { usageError } from './config/runtime-error.js';

/** What the program gets beside 0, 1 and 2. */
export interface PreservedDescriptors {
  /** This process's own, which the program gets from 3 on; `null` for a number that the program does not have either. */
  readonly descriptors: readonly (number | null)[];
  /** Variables that tell the program of those that are sockets to listen at (sd_listen_fds(3)). */
  readonly env: readonly string[];
}

/** The first descriptor after standard error. */
const FIRST = 3;

/** How many descriptors a program gets at most beside its streams. */
export const MOST_DESCRIPTORS = 1000;

/**
 * Descriptors that the caller of the runtime has opened for the program: those of socket activation come first, as in runc, and then `preserved` ones. A number that
 * is not open is passed over, as in crun: the program finds it closed, and by a Node of its own those after it. Variables without LISTEN_PID are this runtime's, as crun has it; those with another
 * process's say nothing.
 *
 * @param activates `false`: there is no socket activation
 * @throws NacelleError `ERR_INVALID_OPTION` for too many
 */
export function preservedDescriptors(
  preserved: number,
  caller: Pick<Caller, 'env' | 'pid' | 'descriptor'>,
  { activates = true } = {},
): PreservedDescriptors {
  const sockets = activates ? listeningSockets(caller) : 0;
  const count = sockets + preserved;
  if (count > MOST_DESCRIPTORS)
    throw usageError(`LISTEN_FDS (${sockets}) and --preserve-fds (${preserved}) are more than ${MOST_DESCRIPTORS} descriptors`);
  const descriptors = Array.from({ length: count }, (_, index) => caller.descriptor(FIRST + index));
  // the shim needs room for as many numbers as there are
  const end = descriptors.findLastIndex((fd) => fd !== null) + 1;
  return { descriptors: descriptors.slice(0, end), env: sockets === 0 ? [] : [`LISTEN_FDS=${sockets}`, 'LISTEN_PID=1'] };
}

/** How many descriptors are sockets to listen at. */
function listeningSockets({ env: { LISTEN_FDS, LISTEN_PID }, pid }: Pick<Caller, 'env' | 'pid'>): number {
  const isOwn = LISTEN_PID === undefined || LISTEN_PID === String(pid);
  return isOwn && /^[1-9]\d*$/.test(LISTEN_FDS ?? '') ? Number(LISTEN_FDS) : 0;
}

/** The caller's standard streams, which a program without a terminal gets. @throws NacelleError `ERR_INVALID_OPTION` for one that is not open */
export function standardStreams(caller: Pick<Caller, 'descriptor'>): readonly [number, number, number] {
  const of = (number: number): number => {
    const fd = caller.descriptor(number);
    if (fd === null) throw usageError(`descriptor ${number} is not open`);
    return fd;
  };
  return [of(0), of(1), of(2)];
}

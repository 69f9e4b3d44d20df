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

/**
 * Descriptors that the caller of the runtime has opened for the program: those of socket activation come first, as in runc, and then `preserved` ones. A number that
 * is not open is passed over, as in crun: the program finds it closed, and by a Node of its own those after it. Variables without LISTEN_PID are this runtime's, as crun has it; those with another
 * process's say nothing.
 *
 * @param activates `false`: there is no socket activation
 */
export function preservedDescriptors(preserved: number, caller: Caller, { activates = true } = {}): PreservedDescriptors {
  const sockets = activates ? listeningSockets(caller) : 0;
  const descriptors = Array.from({ length: sockets + preserved }, (_, index) => caller.descriptor(FIRST + index));
  return { descriptors, env: sockets === 0 ? [] : [`LISTEN_FDS=${sockets}`, 'LISTEN_PID=1'] };
}

/** How many descriptors are sockets to listen at: at most as many as the shim can be handed. */
function listeningSockets({ env: { LISTEN_FDS, LISTEN_PID }, pid }: Caller): number {
  const isOwn = LISTEN_PID === undefined || LISTEN_PID === String(pid);
  return isOwn && /^[1-9]\d{0,2}$/.test(LISTEN_FDS ?? '') ? Number(LISTEN_FDS) : 0;
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

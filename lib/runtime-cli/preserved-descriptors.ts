import type { Caller } from './caller/caller.js';
import { usageError } from './config/runtime-error.js';

/** What the program gets beside 0, 1 and 2. */
export interface PreservedDescriptors {
  /** This process's own, which the program gets from 3 on. */
  readonly descriptors: readonly number[];
  /** Variables that tell the program of those that are sockets to listen at (sd_listen_fds(3)). */
  readonly env: readonly string[];
}

/** The first descriptor after standard error. */
const FIRST = 3;

/**
 * Descriptors that the caller of the runtime has opened for the program: those of socket activation come first, as in runc, and then `preserved` ones.
 *
 * @param activates `false`: there is no socket activation
 * @throws NacelleError `ERR_INVALID_OPTION` for one that is not open
 */
export function preservedDescriptors(preserved: number, caller: Caller, { activates = true } = {}): PreservedDescriptors {
  const { LISTEN_FDS, LISTEN_PID } = caller.env;
  const sockets = activates && LISTEN_PID === String(caller.pid) && /^[1-9]\d{0,4}$/.test(LISTEN_FDS ?? '') ? Number(LISTEN_FDS) : 0;
  const descriptors = Array.from({ length: sockets + preserved }, (_, index) => {
    const number = FIRST + index;
    const fd = caller.descriptor(number);
    if (fd === null) throw usageError(`please check that preserved-fd ${number} (of ${sockets + preserved}) is present: it is not open`);
    return fd;
  });
  return { descriptors, env: sockets === 0 ? [] : [`LISTEN_FDS=${sockets}`, 'LISTEN_PID=1'] };
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

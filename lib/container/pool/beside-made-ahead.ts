import { constants } from 'node:os';
import { errnoOf } from '../../errors.js';
import { prewarm } from '../start/prewarm.js';
import { parkedAhead } from './parked-ahead.js';

const { EAGAIN, EMFILE, ENFILE, ENOMEM, ENOSPC } = constants.errno;
/** Of processes, of descriptors, of memory, of groups and namespaces. */
const SHORTAGES: ReadonlySet<number | undefined> = new Set([EAGAIN, EMFILE, ENFILE, ENOMEM, ENOSPC]);

/**
 * Launches a container that has been asked for. Where something is short for that, what was made ahead goes, which nobody has asked for: whoever tries
 * again has all of it. It is not tried again here, for the program's streams are open and sent by then, and may have been read from.
 */
export async function besideMadeAhead<T>(launch: () => Promise<T>): Promise<T> {
  try {
    return await launch();
  } catch (error) {
    if (SHORTAGES.has(errnoOf(error))) await Promise.all([parkedAhead.forget(), prewarm.forget()]);
    throw error;
  }
}

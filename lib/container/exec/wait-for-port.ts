import type { Duplex } from 'node:stream';
import { hasCode, toError } from '../../errors.js';
import { delay as pause } from '../../native/clock.js';
import type { ParsedConnect } from '../options/connect-options.js';

/** Between two tries, ms: doubled each time. */
const FIRST_PAUSE = 5;
const LONGEST_PAUSE = 200;
/** How long one try may take, ms: who accepts a connection and is silent may be replaced by somebody who answers. */
export const TRY_TIMEOUT = 5_000;

/** Whose answer is not the one that is waited for, or none. */
export const NO_ANSWER = 'ERR_NO_ANSWER';

/** Nobody listens yet, or the network is not as it is to be. A container that has ended (`ERR_STATE`) tells so itself. */
const NOT_YET = [
  ...['ECONNREFUSED', 'ECONNRESET', 'ETIMEDOUT', 'EHOSTUNREACH', 'ENETUNREACH', 'EADDRNOTAVAIL'],
  ...['ERR_TIMEOUT', 'ERR_STATE', NO_ANSWER],
];

/** Where somebody is to listen. */
export interface Listener {
  readonly port: number;
  readonly host?: string | undefined;
}

export interface Reachable {
  connect(to: ParsedConnect): Promise<Duplex>;
}

/** What is told of the tries, and what ends them. */
export interface Wait {
  readonly seen: { last: string };
  readonly signal: AbortSignal;
}

/** Resolves when a connection is accepted, which is then closed. */
export async function portOpens(container: Reachable, to: Listener, wait: Wait): Promise<void> {
  await triedAgain(wait, async () => {
    (await reach(container, to, wait.signal)).destroy();
  });
}

/** One try to connect. */
export function reach(container: Reachable, { port, host = undefined }: Listener, signal: AbortSignal): Promise<Duplex> {
  return container.connect({ port, host: host ?? null, timeout: TRY_TIMEOUT, cancelSignal: signal });
}

/** Tries again and again while it is too early. */
export async function triedAgain({ seen, signal }: Wait, attempt: () => Promise<void>): Promise<void> {
  for (let wait = FIRST_PAUSE; !signal.aborted; wait = Math.min(2 * wait, LONGEST_PAUSE)) {
    try {
      return await attempt();
    } catch (error) {
      if (!hasCode(error, ...NOT_YET)) throw error;
      seen.last = toError(error).message;
    }
    await pause(wait, undefined, { signal });
  }
}

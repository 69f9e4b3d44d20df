import { readlinkSync } from 'node:fs';
import { resolve } from 'node:path';
import { env, pid } from 'node:process';
import { hasCode } from '../../errors.js';
import { type Forwarding, forwardSignals, type SignalSender } from './forward-signals.js';

/** Whoever calls the runtime: what of its process a command depends on. A resident planner does commands of other processes than its own. */
export interface Caller {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The process that was started as the runtime. */
  readonly pid: number;
  /** This process is the one that was started as the runtime, and has its standard streams, of which a terminal may be one. */
  readonly hasOwnStreams: boolean;
  /** A path as seen from the caller's working folder, which may have been removed: an absolute one needs none. */
  absolute(path: string): string;
  /** This process's descriptor for one of the caller's; `null`: the caller has none of that number, or that can't be told. */
  descriptor(number: number): number | null;
  /** Writes a line to standard error. */
  tell(text: string): void;
  /** Sends on the signals that the caller hears. */
  forwardSignals(send: SignalSender): Forwarding;
  /** Nobody hears any more of what is told, and the caller may do the command by itself. */
  hasGone(): boolean;
}

/** This process itself. */
export const ownCaller = (): Caller => ({
  env,
  pid,
  hasOwnStreams: true,
  absolute: (path) => resolve(path),
  descriptor: ownDescriptor,
  tell: (text) => void process.stderr.write(`${text}\n`),
  forwardSignals,
  hasGone: () => false,
});

/** Whoever has no standard streams gets some from Node. */
const ownDescriptor = (number: number): number | null => (number < 3 || number < firstMissing() ? number : null);

let missing: number | undefined;

/**
 * Node takes the lowest numbers that its caller has left free, the very first for an epoll: so where one is missing, there is that, and what comes after it may be
 * Node's own.
 */
function firstMissing(): number {
  if (missing !== undefined) return missing;
  missing = 3;
  while (isGiven(missing)) ++missing;
  return missing;
}

function isGiven(number: number): boolean {
  try {
    return readlinkSync(`/proc/self/fd/${number}`) !== 'anon_inode:[eventpoll]';
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return false;
    throw error;
  }
}

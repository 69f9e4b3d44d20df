import { readlinkSync } from 'node:fs';
import { resolve } from 'node:path';
import { env, pid } from 'node:process';
import { hasCode } from '../../errors.js';
import { forwardSignals, type SignalSender } from './forward-signals.js';

/** Whoever calls the runtime: what of its process a command depends on. A resident planner does commands of other processes than its own. */
export interface Caller {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The process that was started as the runtime. */
  readonly pid: number;
  /** This process is the one that was started as the runtime, and has its standard streams, of which a terminal may be one. */
  readonly hasOwnStreams: boolean;
  /** A path as seen from the caller's working folder, which may have been removed: an absolute one needs none. */
  absolute(path: string): string;
  /** This process's descriptor for one of the caller's; `null`: the caller has none of that number. */
  descriptor(number: number): number | null;
  /** Writes a line to standard error. */
  tell(text: string): void;
  /** Sends on the signals that the caller hears. @returns a function that ends this */
  forwardSignals(send: SignalSender): () => void;
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
});

/** Node takes the lowest numbers that its caller has left free, the very first for an epoll: so where one is missing, there is that. */
function ownDescriptor(number: number): number | null {
  // whoever has no standard streams gets some from Node
  if (number < 3) return number;
  try {
    return readlinkSync(`/proc/self/fd/${number}`) === 'anon_inode:[eventpoll]' ? null : number;
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return null;
    throw error;
  }
}

import { constants } from 'node:os';
import { hasCode } from '../../errors.js';

/** Signals that are about the runtime itself, and those that can't be caught. */
const OWN = new Set([
  'SIGCHLD',
  'SIGURG',
  'SIGPIPE',
  'SIGPROF',
  'SIGKILL',
  'SIGSTOP',
  'SIGSEGV',
  'SIGBUS',
  'SIGFPE',
  'SIGILL',
  'SIGABRT',
  'SIGIOT',
]);

/** The signals that are sent on. */
export const forwarded = (): readonly NodeJS.Signals[] =>
  Object.keys(constants.signals).filter((name) => !OWN.has(name)) as NodeJS.Signals[];

/** Sends a signal to a program. One that has just ended, whose status is on the way, needs none. */
export function sendOn(pid: number, signal: NodeJS.Signals | number): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if (!hasCode(error, 'ESRCH')) throw error;
  }
}

/** Sends what this process hears to another one. @returns a function that has this process hear its signals itself again */
export function forwardSignals(pid: number): () => void {
  const names = forwarded();
  const forward = (signal: NodeJS.Signals): void => sendOn(pid, signal);
  for (const name of names) process.on(name, forward);
  return () => {
    for (const name of names) process.off(name, forward);
  };
}

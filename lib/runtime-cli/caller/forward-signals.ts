import { constants } from 'node:os';
import type { Task } from '../../native/task.js';

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

/** Sends a signal, by its number, to one process and to no other that gets its number later. */
export type SignalSender = (signal: number) => void;

/**
 * Sends signals to the first process of a task by the shim, which has not reaped it, or knows that it has: its number may be another process's before this
 * one hears of its end.
 */
export function signalsOf(task: Pick<Task, 'kill'>): SignalSender {
  // whoever waits for the task's end hears of a shim that has gone
  return (signal) => void task.kill({ cause: 'caller', signal, tree: false }).catch(() => undefined);
}

/** Signals that are sent on. */
export interface Forwarding {
  /** Resolves when none of them is the caller's own any more: who sees the program run may send one. */
  readonly heard: Promise<void>;
  /** Has the caller hear its signals itself again. */
  end(): void;
}

/** Sends on what this process hears. */
export function forwardSignals(send: SignalSender): Forwarding {
  const names = forwarded();
  const forward = (name: NodeJS.Signals): void => send(constants.signals[name]);
  for (const name of names) process.on(name, forward);
  return {
    heard: Promise.resolve(),
    end() {
      for (const name of names) process.off(name, forward);
    },
  };
}

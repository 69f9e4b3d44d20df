import { constants } from 'node:os';
import type { Architecture } from '../filter.js';
import type { Action, Profile } from '../profile.js';

/**
 * The calls by which a process becomes the program after its filter was loaded: to die with the shim, to tell the shim that all is well, to
 * mark descriptors, to execute. glibc makes poll(3) of ppoll where there is no poll.
 */
const startCalls: Readonly<Record<Architecture, readonly string[]>> = {
  x86_64: ['prctl', 'poll', 'sendmsg', 'close_range', 'execve'],
  arm64: ['prctl', 'ppoll', 'sendmsg', 'close_range', 'execve'],
};

/** Where a filter that was written before Linux 5.9 refuses close_range by one of these, programs start without: all is close-on-exec by then anyway. */
const REFUSALS_OF_OLD: readonly number[] = [constants.errno.EPERM, constants.errno.ENOSYS];

/** The calls of these that a profile, of the machine's own ABI, never lets pass: no program can be started under it. */
export function refusedStartCalls({ defaultAction, rules }: Profile, arch: Architecture): string[] {
  return startCalls[arch].filter(
    (call) => !actionsFor(call, { defaultAction, rules }).some((action) => isMade(action) || isDoneWithout(call, action)),
  );
}

/**
 * Whether a profile, of the machine's own ABI, may refuse the message by which the listener of its calls is handed over. That call would be
 * asked of the listener, which nobody has yet: it would wait for ever.
 */
export function mayRefuseHandOver(profile: Profile): boolean {
  return !actionsFor('sendmsg', profile).every(isMade);
}

/** What may be done with a call, depending on its arguments. */
function actionsFor(call: string, { defaultAction, rules }: Pick<Profile, 'defaultAction' | 'rules'>): Action[] {
  const own = rules.filter(({ names }) => names.includes(call));
  const last = own.findIndex(({ args = [] }) => args.length === 0);
  const decided = last < 0 ? own : own.slice(0, last + 1);
  return [...decided.map(({ action }) => action), ...(last < 0 ? [defaultAction] : [])];
}

function isDoneWithout(call: string, action: Action): boolean {
  return call === 'close_range' && typeof action === 'object' && 'errno' in action && REFUSALS_OF_OLD.includes(action.errno);
}

/** A traced call fails: the tracer is none of ours. */
function isMade(action: Action): boolean {
  return action === 'allow' || action === 'log';
}

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

/** The calls of these that a profile, of the machine's own ABI, never lets pass: no program can be started under it. */
export function refusedStartCalls({ defaultAction, rules }: Profile, arch: Architecture): string[] {
  return startCalls[arch].filter((call) => !actionsFor(call, { defaultAction, rules }).some(isMade));
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

/** A traced call fails: the tracer is none of ours. */
function isMade(action: Action): boolean {
  return action === 'allow' || action === 'log';
}

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
  return startCalls[arch].filter((call) => {
    const own = rules.filter(({ names }) => names.includes(call));
    const last = own.findIndex(({ args = [] }) => args.length === 0);
    const actions = last < 0 ? [...own.map(({ action }) => action), defaultAction] : own.slice(0, last + 1).map(({ action }) => action);
    return !actions.some(isMade);
  });
}

/** A traced call fails: the tracer is none of ours. */
function isMade(action: Action): boolean {
  return action === 'allow' || action === 'log';
}

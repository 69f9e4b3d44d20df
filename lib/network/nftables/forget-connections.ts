import { hasCode } from '../../errors.js';
import type { Task } from '../../native/task.js';
import type { Slot } from '../../plan/steps.js';
import { type Destination, deleteConnections, getConnections } from './conntrack.js';
import { ask, type Where, withNetfilter } from './netfilter-socket.js';
import { encodeMessages, type Request } from './nfnetlink.js';

/** So many requests travel in one message: some 100 bytes each. */
const AT_ONCE = 256;

/**
 * Has the kernel forget the connections that were made to a destination, so that their next packet is asked by the rules as they are now:
 * for when a published port leads elsewhere, or nowhere. Established ones are cut off.
 *
 * @returns how many there were
 * @throws SyscallError the kernel keeps no connections (nf_conntrack_netlink), or CAP_NET_ADMIN over the namespace is missing
 */
export function forgetConnections(destination: Destination, where: Where = {}): Promise<number> {
  return withNetfilter(where, async (task, socket) => {
    const what = `list the connections to ${destination.protocol} port ${destination.port}`;
    const requests = deleteConnections(await ask(task, socket, what, getConnections(destination)), destination);
    for (let at = 0; at < requests.length; at += AT_ONCE) await forget(task, socket, requests.slice(at, at + AT_ONCE));
    return requests.length;
  });
}

async function forget(task: Task, socket: Slot, requests: readonly Request[]): Promise<void> {
  try {
    const what = 'forget connections';
    await task.call([{ op: 'netlink_batch', host: true, socket, what, ...encodeMessages(requests) }]);
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) throw error;
    // one has ended by itself: the error of another may stand behind that, so each is tried alone
    if (requests.length > 1) for (const one of requests) await forget(task, socket, [one]);
  }
}

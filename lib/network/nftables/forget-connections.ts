import { hasCode, NacelleError } from '../../errors.js';
import type { Task } from '../../native/task.js';
import type { Slot } from '../../plan/steps.js';
import type { Address } from '../address.js';
import {
  addressBytes,
  type Destination,
  deleteAllConnectionsOf,
  deleteConnections,
  deleteConnectionsOf,
  getAllConnections,
  getConnections,
  portBytes,
} from './conntrack.js';
import { answerTo, type Where, withNetfilter } from './netfilter-socket.js';
import { encodeMessages, type Request } from './nfnetlink.js';

/** So many bytes of entries are listed at once, of some 200 each: whoever makes connections decides how many there are. */
const MOST_LISTED = 1024 * 1024;
/** As many entries as large machines keep. */
const MOST_LISTS = 64;
/** So many requests travel in one message: some 100 bytes each. */
const AT_ONCE = 256;

/**
 * Has the kernel forget the connections that were made to a destination, so that their next packet is asked by the rules as they are now:
 * for when a published port leads elsewhere, or nowhere. Established ones are cut off.
 *
 * @returns how many there were
 * @throws SyscallError the kernel keeps no connections (nf_conntrack_netlink), or CAP_NET_ADMIN over the namespace is missing; NacelleError
 * `EBUSY`: others are made as fast as they are forgotten
 */
export function forgetConnections(destination: Destination, where: Where = {}): Promise<number> {
  return withNetfilter(where, (task, socket) => forgetConnectionsBy(task, socket, destination));
}

/** As {@link forgetConnections}, with a task's own netlink socket for netfilter: to close one waits for all that the kernel has yet to tidy up. */
export function forgetConnectionsBy(task: Task, socket: Slot, destination: Destination): Promise<number> {
  const what = `list the connections to ${destination.protocol} port ${destination.port}`;
  const list = { what, message: getConnections(destination), having: portBytes(destination) };
  return forgetListed(task, socket, list, (listed) => deleteConnections(listed, destination));
}

/** The kernel finds the connections of an address of IPv4 by itself, as far as this process knows. */
let canChoose = true;

/** As {@link forgetConnectionsBy}, for all connections with one side at one of these addresses. */
export async function forgetConnectionsOf(task: Task, socket: Slot, addresses: readonly Address[]): Promise<void> {
  const chosen = canChoose ? addresses.filter(isIpv4) : [];
  const isRefused = chosen.length > 0 && !(await hasForgotten(task, socket, chosen.flatMap(deleteAllConnectionsOf)));
  if (isRefused) canChoose = false;
  await forgetEachOf(task, socket, isRefused ? addresses : addresses.filter((address) => !chosen.some((one) => one === address)));
}

function isIpv4<T extends Address>(address: T): address is T & { readonly family: 4 } {
  return address.family === 4;
}

/** @returns false where the kernel does not know such requests */
async function hasForgotten(task: Task, socket: Slot, requests: readonly Request[]): Promise<boolean> {
  try {
    await forget(task, socket, requests);
    return true;
  } catch (error) {
    if (hasCode(error, 'EINVAL')) return false;
    throw error;
  }
}

/** As {@link forgetConnectionsOf}, one by one: to list them takes the kernel some 10 ms for an address. */
export async function forgetEachOf(task: Task, socket: Slot, addresses: readonly Address[]): Promise<void> {
  for (const address of addresses) {
    const list = {
      what: `list the connections of ${address.text}`,
      message: getAllConnections(address.family),
      having: addressBytes(address),
    };
    await forgetListed(task, socket, list, (listed) => deleteConnectionsOf(listed, address));
  }
}

async function forgetListed(
  task: Task,
  socket: Slot,
  list: { readonly what: string; readonly message: Uint8Array; readonly having: Uint8Array },
  requestsFor: (listed: Uint8Array) => Request[],
): Promise<number> {
  let count = 0;
  for (let lists = 0; lists < MOST_LISTS; lists++) {
    const listed = await answerTo(task, { op: 'netlink_list', host: true, socket, ...list, most: MOST_LISTED });
    const requests = requestsFor(listed);
    for (let at = 0; at < requests.length; at += AT_ONCE) await forget(task, socket, requests.slice(at, at + AT_ONCE));
    count += requests.length;
    if (listed.length < MOST_LISTED) return count;
  }
  throw new NacelleError(`${list.what}: others are made as fast as they are forgotten`, { code: 'EBUSY' });
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

import { writeFileSync } from 'node:fs';
import { hasCode, NacelleError } from '../../errors.js';
import { attempt } from '../../native/system-errors.js';
import type { Task } from '../../native/task.js';
import type { Slot, Step } from '../../plan/steps.js';
import { type Address, withPrefix } from '../address.js';
import { macOf } from '../bridge/host-end.js';
import type { Bridge } from '../bridge/network-folder.js';
import { newAddress, setLink } from '../rtnetlink.js';
import { request } from '../veth-plan.js';
import { newChild } from './child-link.js';

// No child of a link reaches the link itself, whatever the mode. So this machine has a child of its own beside those of the containers, with an
// address of its own and a route to each container: `hostAccess`.

interface HostLink {
  readonly parent: number;
  readonly mtu: number;
  readonly addresses: readonly Address[];
}

/** All in one call, as a bridge: what is up is whole. Pure. */
export function hostLinkSteps(socket: Slot, { name, index }: Bridge, { parent, mtu, addresses }: HostLink): Step[] {
  const [first] = addresses;
  const link = { name, index, group: index, mtu, parent, ...(first ? { mac: macOf(first) } : {}) };
  return [
    { op: 'remove_links', host: true, socket, group: index },
    request(socket, `make ${name}, this machine's link to its containers`, newChild(link, { driver: 'macvlan', mode: 'bridge' })),
    // the routes to containers are single ones: all others of the subnet are reached as before
    ...addresses.map((address) => {
      const alone = withPrefix(address, 8 * address.bytes.length);
      return request(socket, `add the address ${alone.text} to ${name}`, newAddress(index, alone));
    }),
    request(socket, `bring up ${name}`, setLink(index, { up: true })),
  ];
}

/** @throws NacelleError `ERR_NAME_TAKEN`; SyscallError */
export async function makeHostLink(task: Task, socket: Slot, link: Bridge, of: HostLink & { readonly network: string }): Promise<void> {
  await task.call(hostLinkSteps(socket, link, of)).catch((cause: unknown) => {
    if (!hasCode(cause, 'EEXIST')) throw cause;
    const message = `make this machine's link to the network ${of.network}: the link ${link.name} has its place, and is none of ours`;
    throw new NacelleError(`${message}. Remove that, or rename it`, { code: 'ERR_NAME_TAKEN', cause });
  });
  // it answers for its own address alone: for the others of this machine the parent does (Documentation/networking/ip-sysctl.rst)
  const path = `/proc/sys/net/ipv4/conf/${link.name}/arp_ignore`;
  attempt(`write ${path}`, () => writeFileSync(path, '1', { flag: 'r+' }));
}

import { NETLINK_ROUTE } from '../../plan/constants.js';
import { NONE, type Plan, planOf } from '../../plan/plan.js';
import type { Slot, Step } from '../../plan/steps.js';
import type { Cidr } from '../address.js';
import { getLink, newAddress, newBridge, setLink } from '../rtnetlink.js';
import { request } from '../veth-plan.js';
import { macOf } from './host-end.js';
import type { Bridge } from './network-folder.js';

// The requests by which a bridge is made, over a socket that the task of who keeps it has open. Pure.

/**
 * @param of.enter those by which the task works where bridges are
 * @param of.use the step that makes the use: it is the shim that does, so that there is none when Node dies before
 * @param of.leave the steps by which it ends
 */
export function keeperPlan(
  socket: Slot,
  of: { readonly enter: readonly Step[]; readonly use: Step; readonly leave: readonly Step[] },
): Plan {
  return planOf({
    prepare: [...of.enter, of.use, { op: 'netlink_socket', host: true, out: socket, ns: NONE, protocol: NETLINK_ROUTE }],
    undo: of.leave,
  });
}

export function lookUpBridge(socket: Slot, { name, index }: Bridge): Step {
  return request(socket, `look up the bridge ${name}`, getLink({ index }));
}

export function lookUpLink(socket: Slot, name: string): Step {
  return request(socket, `look up ${name}`, getLink({ name }));
}

/**
 * All in one call, so that no process leaves half a bridge when it dies: what is up is whole. The bridge has a MAC address of its own, for it
 * would else have that of one of its ports, and another one when that goes.
 *
 * @param of.isHalf a shim has died while it made it, or somebody has removed the bridge and left its ports
 * @param of.ports steps that make ports to other hosts
 */
export function makeBridgeSteps(
  socket: Slot,
  { name, index }: Bridge,
  of: { readonly mtu: number; readonly addresses: readonly Cidr[]; readonly isHalf: boolean; readonly ports: readonly Step[] },
): Step[] {
  const { mtu, addresses, ports, isHalf } = of;
  const [first] = addresses;
  return [
    ...(isHalf ? [{ op: 'remove_links', host: true, socket, group: index } as const] : []),
    request(socket, `make the bridge ${name}`, newBridge({ name, index, group: index, mtu, ...(first ? { mac: macOf(first) } : {}) })),
    ...ports,
    ...addresses.map((address) => request(socket, `add the address ${address.text} to ${name}`, newAddress(index, address))),
    request(socket, `bring up ${name}`, setLink(index, { up: true })),
  ];
}

import type { Attachment } from '../../network/bridge/join-networks.js';
import { newAddress, newDefaultRoute, newVethPair, setLink } from '../../network/rtnetlink.js';
import { request } from '../../network/veth-plan.js';
import { NETLINK_ROUTE } from '../../plan/constants.js';
import { NONE, type Slots } from '../../plan/plan.js';
import type { Slot, Step } from '../../plan/steps.js';

export interface NetworkPlan {
  readonly attachments: readonly Attachment[];
  readonly hasIpv6: boolean;
}

/**
 * Steps that give a container's new network namespace its links. The shim makes them, for the container's root has no right over a bridge of
 * the host's. Each link goes with the namespace. Pure.
 *
 * @param of.proc the container's /proc, where it can be written to
 * @param of.isAgain the run before may have left its links, whose namespace the kernel takes down in its own time
 */
export function networkSteps({ attachments, hasIpv6 }: NetworkPlan, of: { slots: Slots; proc: Slot; isAgain: boolean }): Step[] {
  if (attachments.length === 0) return [];
  const { slots, proc, isAgain } = of;
  const [namespace, outside, inside] = [slots.take(), slots.take(), slots.take()];
  return [
    ...linkDefaults(hasIpv6).map(([name, value]): Step => ({ op: 'sysctl', proc, path: `net/${name}`, value })),
    { op: 'open_namespace', host: true, out: namespace, type: 'net' },
    { op: 'netlink_socket', host: true, out: outside, ns: NONE, protocol: NETLINK_ROUTE },
    { op: 'netlink_socket', host: true, out: inside, ns: namespace, protocol: NETLINK_ROUTE },
    ...(isAgain ? attachments.map(({ port }): Step => ({ op: 'remove_links', host: true, socket: outside, group: port.index })) : []),
    ...attachments.flatMap((attachment) => attachSteps(attachment, { namespace, outside, inside })),
    // an open socket would keep the namespace alive after its last process
    ...[inside, outside, namespace].map((slot): Step => ({ op: 'close', host: true, slot })),
  ];
}

/** What links are to have that are made from now on: no router gives them addresses, and neighbours are told of theirs. */
function linkDefaults(hasIpv6: boolean): [string, string][] {
  return [
    ['ipv4/conf/default/arp_notify', '1'],
    ...(hasIpv6
      ? (['accept_ra', 'autoconf', 'accept_dad'] as const).map((name): [string, string] => [`ipv6/conf/default/${name}`, '0'])
      : []),
  ];
}

function attachSteps(attachment: Attachment, slots: { namespace: Slot; outside: Slot; inside: Slot }): Step[] {
  const { network, interface: name, index, mac, mtu, addresses, gateways, port, bridge } = attachment;
  const { message, namespaceOffset } = newVethPair(
    { name: port.name, index: port.index, group: port.index, mtu, master: bridge, up: true },
    { name, index, mac, mtu },
  );
  const { outside, inside, namespace } = slots;
  return [
    request(outside, `make ${name}, the link to the network ${network}`, message, { slot: namespace, offset: namespaceOffset }),
    ...addresses.map((address) => request(inside, `add the address ${address.text} to ${name}`, newAddress(index, address))),
    request(inside, `bring up ${name}`, setLink(index, { up: true })),
    ...gateways.map((gateway) => request(inside, `add the default route by ${gateway.text}`, newDefaultRoute(index, gateway))),
  ];
}

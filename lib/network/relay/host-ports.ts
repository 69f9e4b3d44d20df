import { NETLINK_ROUTE } from '../../plan/constants.js';
import type { Slots } from '../../plan/plan.js';
import type { Slot, Step } from '../../plan/steps.js';
import { describe, withPrefix } from '../address.js';
import { newAddress, SCOPE_HOST } from '../rtnetlink.js';
import { request } from '../veth-plan.js';

// Ports of the caller's loopback, inside a container. Pure.
//
//   program ──▶ 198.19.255.254:5432 on the container's lo ──▶ the shim's relay (addon/shim/modes/relay.h) ──▶ 127.0.0.1:5432, else ::1
//
// The address is of a block that no network routes (RFC 2544), and not of 127.0.0.0/8: where a host has no other address, getaddrinfo(3)
// with AI_ADDRCONFIG finds none at all.

/** By which programs in a container find the caller's ports. It stands in /etc/hosts. */
export const HOST_NAME = 'host.nacelle.internal';

export const hostAddress = describe(Uint8Array.of(198, 19, 255, 254));

/** That of {@link HOST_NAME}, in each container with `hostPorts` its own. */
export const HOST_ADDRESS = hostAddress.text;

/** Where the caller's programs listen, in the order in which they are tried. */
const LOOPBACKS = ['127.0.0.1', '::1'];

const LO = { name: 'lo', index: 1 };

/**
 * Steps that bring ports of this process's loopback into a container's new network namespace.
 *
 * @param of.isAgain the run before has had them, in a namespace of its own
 */
export function hostPortSteps(ports: readonly number[], { slots, isAgain }: { slots: Slots; isAgain: boolean }): Step[] {
  if (ports.length === 0) return [];
  const [namespace, socket]: [Slot, Slot] = [slots.take(), slots.take()];
  const own = newAddress(LO.index, withPrefix(hostAddress, 32), SCOPE_HOST);
  return [
    ...(isAgain ? stopHostPorts(ports) : []),
    { op: 'open_namespace', host: true, out: namespace, type: 'net' },
    { op: 'netlink_socket', host: true, out: socket, ns: namespace, protocol: NETLINK_ROUTE },
    request(socket, `add the address ${HOST_ADDRESS} to ${LO.name}`, own),
    { op: 'relay_ports', host: true, ns: namespace, at: HOST_ADDRESS, ports: ports.map(String), to: LOOPBACKS },
    // an open socket would keep the namespace alive after its last process
    ...[socket, namespace].map((slot): Step => ({ op: 'close', host: true, slot })),
  ];
}

/** Steps at the container's end, ahead of what ends its links: a listening socket keeps its namespace alive. */
export function stopHostPorts(ports: readonly number[]): Step[] {
  return ports.length === 0 ? [] : [{ op: 'stop_relay', host: true }];
}

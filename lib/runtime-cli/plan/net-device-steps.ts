import type { Cidr } from '../../network/address.js';
import { moveLink, newAddress, setLink } from '../../network/rtnetlink.js';
import { request } from '../../network/veth-plan.js';
import { NETLINK_ROUTE } from '../../plan/constants.js';
import { NONE, type Slots } from '../../plan/plan.js';
import type { Step } from '../../plan/steps.js';

/** A link that the container gets, which is the host's until then. */
export interface NetDevice {
  readonly index: number;
  readonly name: string;
  /** What it is called inside. */
  readonly inside: string;
  /** Those that it keeps. */
  readonly addresses: readonly Cidr[];
}

/**
 * Host steps that move links to the network namespace of the stage's process (config-linux.md, "Network Devices"), where they have their addresses again, and
 * are up. Pure.
 */
export function netDeviceSteps(devices: readonly NetDevice[], slots: Slots): Step[] {
  if (devices.length === 0) return [];
  const [namespace, outside, inside] = [slots.take(), slots.take(), slots.take()];
  return [
    { op: 'open_namespace', host: true, out: namespace, type: 'net' },
    { op: 'netlink_socket', host: true, out: outside, ns: NONE, protocol: NETLINK_ROUTE },
    { op: 'netlink_socket', host: true, out: inside, ns: namespace, protocol: NETLINK_ROUTE },
    ...devices.flatMap(({ index, name, inside: called, addresses }): Step[] => {
      const { message, namespaceOffset } = moveLink(index, called);
      return [
        request(outside, `move ${name} to the container`, message, { slot: namespace, offset: namespaceOffset }),
        ...addresses.map((address) => request(inside, `add the address ${address.text} to ${called}`, newAddress(index, address))),
        request(inside, `bring up ${called}`, setLink(index, { up: true })),
      ];
    }),
    ...[namespace, outside, inside].map((slot): Step => ({ op: 'close', host: true, slot })),
  ];
}

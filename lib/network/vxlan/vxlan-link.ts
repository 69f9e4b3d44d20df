import type { Cidr } from '../address.js';
import { attribute, u32 } from '../netlink.js';
import { type NewLink, newLink } from '../rtnetlink.js';

// A link of the kind vxlan (RFC 7348, Documentation/networking/vxlan.rst), as bytes. The numbers are those of linux/if_link.h. Pure.

export const IFLA_VXLAN = { ID: 1, LINK: 3, LEARNING: 7, PORT: 15, GROUP6: 16 } as const;

/** The port of UDP that IANA has given to VXLAN. */
export const VXLAN_PORT = 4789;

/** What the tunnel adds to a frame, in bytes: Ethernet 14, UDP 8, VXLAN 8, and the header of IP. */
const ADDED = { 4: 50, 6: 70 } as const;

export interface Tunnel {
  /** The number of the network among those between the same hosts, of 24 bits. */
  readonly vni: number;
  /** The version of IP by which the hosts reach each other. */
  readonly family: Cidr['family'];
  /** The index of the link through which the other hosts are reached; `null`: as the routes say. */
  readonly parent: number | null;
}

/** Makes a link to networks of other hosts. It learns nothing from what comes in: whom it sends to it is told. */
export function newVxlan(link: NewLink, { vni, family, parent }: Tunnel): Uint8Array {
  return newLink('vxlan', link, [
    ...(parent === null ? [] : [attribute(IFLA_VXLAN.LINK, u32(parent))]),
    attribute(IFLA_VXLAN.ID, u32(vni)),
    // the family of the other hosts follows from the group's, and :: is none
    ...(family === 6 ? [attribute(IFLA_VXLAN.GROUP6, new Uint8Array(16))] : []),
    attribute(IFLA_VXLAN.LEARNING, Uint8Array.of(0)),
    attribute(IFLA_VXLAN.PORT, Uint8Array.of(VXLAN_PORT >> 8, VXLAN_PORT & 0xff)),
  ]);
}

/** The largest MTU of a network whose frames go through a tunnel over a link with this MTU. */
export function mtuThrough(mtu: number, family: Cidr['family']): number {
  return mtu - ADDED[family];
}

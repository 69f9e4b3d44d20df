import type { Address, Cidr } from './address.js';
import { attribute, message, NLM_F, text, u16, u32 } from './netlink.js';

// Requests of rtnetlink(7) as bytes. The numbers are those of linux/rtnetlink.h, if_link.h, if_addr.h and veth.h.
// Nested attributes go without NLA_F_NESTED, as iproute2 sends them: the families here are older than the flag.

export const RTM = { NEWLINK: 16, DELLINK: 17, GETLINK: 18, NEWADDR: 20, GETADDR: 22, NEWROUTE: 24 } as const;
export const IFLA = {
  ADDRESS: 1,
  IFNAME: 3,
  MTU: 4,
  MASTER: 10,
  LINKINFO: 18,
  STATS64: 23,
  GROUP: 27,
  NET_NS_FD: 28,
  LINK_NETNSID: 37,
  TARGET_NETNSID: 46,
} as const;
export const IFLA_INFO = { KIND: 1, DATA: 2 } as const;
export const IFA = { ADDRESS: 1, LOCAL: 2 } as const;
export const IFF_UP = 1;
export const AF = { INET: 2, INET6: 10 } as const;

const VETH_INFO_PEER = 1;
const RTA = { GATEWAY: 5, OIF: 4 } as const;
const RT_TABLE_MAIN = 254;
const RTPROT_STATIC = 4;
const RTN_UNICAST = 1;
const IFA_F_NODAD = 2;

const ACKED = NLM_F.REQUEST | NLM_F.ACK;
const CREATED = ACKED | NLM_F.CREATE | NLM_F.EXCL;

export interface LinkSettings {
  readonly name?: string | undefined;
  readonly mac?: Uint8Array | undefined;
  readonly mtu?: number | undefined;
  /** The index of the bridge that it is a port of. */
  readonly master?: number | undefined;
  readonly group?: number | undefined;
}

/** What a new link is to be beside. */
export interface NewLink extends LinkSettings {
  /** Default: the kernel's choice. In a veth pair the peer's counts only where this end has one too. */
  readonly index?: number | undefined;
  /** Default: it is down. */
  readonly up?: boolean | undefined;
}

/**
 * Makes both ends of a veth pair, the peer in another network namespace.
 *
 * The kernel looks the namespace's descriptor up in the process that sends, whose numbers are not known here:
 * it is to be written as u32 at `namespaceOffset` first.
 */
export function newVethPair(end: NewLink, peer: NewLink): { message: Uint8Array; namespaceOffset: number } {
  const request = message(
    { type: RTM.NEWLINK, flags: CREATED },
    newLinkHeader(end),
    ...linkAttributes(end),
    attribute(
      IFLA.LINKINFO,
      attribute(IFLA_INFO.KIND, Buffer.from('veth')),
      attribute(IFLA_INFO.DATA, attribute(VETH_INFO_PEER, newLinkHeader(peer), ...linkAttributes(peer), attribute(IFLA.NET_NS_FD, u32(0)))),
    ),
  );
  // All the nests end where the message ends.
  return { message: request, namespaceOffset: request.length - 4 };
}

/** Makes a bridge, without ports. */
export function newBridge(bridge: NewLink): Uint8Array {
  return message(
    { type: RTM.NEWLINK, flags: CREATED },
    newLinkHeader(bridge),
    ...linkAttributes(bridge),
    attribute(IFLA.LINKINFO, attribute(IFLA_INFO.KIND, Buffer.from('bridge'))),
  );
}

/** Changes a link: what is not given stays. `up` brings it up or down. */
export function setLink(index: number, settings: LinkSettings & { readonly up?: boolean }): Uint8Array {
  const flags = settings.up ? IFF_UP : 0;
  const change = settings.up === undefined ? 0 : IFF_UP;
  return message({ type: RTM.NEWLINK, flags: ACKED }, linkHeader(index, flags, change), ...linkAttributes(settings));
}

/** Asks for one link. `namespaceId` is that of another network namespace, as this one numbers it (since Linux 4.20). */
export function getLink(link: { readonly name: string } | { readonly index: number; readonly namespaceId?: number | null }): Uint8Array {
  if ('name' in link) return message({ type: RTM.GETLINK, flags: ACKED }, linkHeader(), attribute(IFLA.IFNAME, text(link.name)));
  const target = link.namespaceId === undefined || link.namespaceId === null ? [] : [attribute(IFLA.TARGET_NETNSID, u32(link.namespaceId))];
  return message({ type: RTM.GETLINK, flags: ACKED }, linkHeader(link.index), ...target);
}

/** Removes a link; of a veth pair both ends go. */
export function deleteLink(index: number): Uint8Array {
  return message({ type: RTM.DELLINK, flags: ACKED }, linkHeader(index));
}

/** Adds an address. An IPv6 one is usable at once: no duplicate address detection. */
export function newAddress(index: number, address: Cidr): Uint8Array {
  const flags = address.family === 6 ? IFA_F_NODAD : 0;
  const header = Uint8Array.of(familyOf(address), address.prefix, flags, 0);
  return message(
    { type: RTM.NEWADDR, flags: CREATED },
    header,
    u32(index),
    attribute(IFA.LOCAL, address.bytes),
    attribute(IFA.ADDRESS, address.bytes),
  );
}

/** Asks for the addresses of all links of the namespace, both families. */
export function getAddresses(): Uint8Array {
  return message({ type: RTM.GETADDR, flags: NLM_F.REQUEST | NLM_F.DUMP }, new Uint8Array(8));
}

/** Adds the default route of the gateway's family to the main table. */
export function newDefaultRoute(index: number, gateway: Address): Uint8Array {
  // struct rtmsg: family, lengths of destination and source, tos, table, protocol, scope (universe), type, flags
  const header = Uint8Array.of(familyOf(gateway), 0, 0, 0, RT_TABLE_MAIN, RTPROT_STATIC, 0, RTN_UNICAST, 0, 0, 0, 0);
  return message({ type: RTM.NEWROUTE, flags: CREATED }, header, attribute(RTA.GATEWAY, gateway.bytes), attribute(RTA.OIF, u32(index)));
}

/** struct ifinfomsg: family and padding, hardware type, index, flags, the mask of flags to change. */
function linkHeader(index = 0, flags = 0, change = 0): Uint8Array {
  return Buffer.concat([u16(0), u16(0), u32(index), u32(flags), u32(change)]);
}

function newLinkHeader({ index, up = false }: NewLink): Uint8Array {
  return linkHeader(index, up ? IFF_UP : 0, up ? IFF_UP : 0);
}

function linkAttributes({ name, mac, mtu, master, group }: LinkSettings): Uint8Array[] {
  const attributes: Uint8Array[] = [];
  if (mac) attributes.push(attribute(IFLA.ADDRESS, mac));
  if (mtu !== undefined) attributes.push(attribute(IFLA.MTU, u32(mtu)));
  if (group !== undefined) attributes.push(attribute(IFLA.GROUP, u32(group)));
  if (master !== undefined) attributes.push(attribute(IFLA.MASTER, u32(master)));
  if (name !== undefined) attributes.push(attribute(IFLA.IFNAME, text(name)));
  return attributes;
}

function familyOf({ family }: { readonly family: 4 | 6 }): number {
  return family === 4 ? AF.INET : AF.INET6;
}

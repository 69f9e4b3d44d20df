import type { Address, Cidr } from './address.js';
import { attribute, message, NLM_F, text, u16, u32, u32s } from './netlink.js';

// Requests of rtnetlink(7) as bytes. The numbers are those of linux/rtnetlink.h, if_link.h, if_addr.h and veth.h.
// Nested attributes go without NLA_F_NESTED, as iproute2 sends them: the families here are older than the flag.

export const RTM = {
  NEWLINK: 16,
  DELLINK: 17,
  GETLINK: 18,
  NEWADDR: 20,
  DELADDR: 21,
  GETADDR: 22,
  NEWROUTE: 24,
  DELROUTE: 25,
  NEWNEIGH: 28,
  NEWRULE: 32,
  DELRULE: 33,
} as const;
export const IFLA = {
  ADDRESS: 1,
  IFNAME: 3,
  MTU: 4,
  LINK: 5,
  MASTER: 10,
  LINKINFO: 18,
  STATS64: 23,
  AF_SPEC: 26,
  GROUP: 27,
  NET_NS_FD: 28,
  NUM_TX_QUEUES: 31,
  NUM_RX_QUEUES: 32,
  LINK_NETNSID: 37,
  TARGET_NETNSID: 46,
  NEW_IFINDEX: 49,
} as const;
export const IFLA_INFO = { KIND: 1, DATA: 2, SLAVE_KIND: 4, SLAVE_DATA: 5 } as const;
export const IFA = { ADDRESS: 1, LOCAL: 2 } as const;
export const IFF_UP = 1;
export const AF = { INET: 2, INET6: 10 } as const;

const VETH_INFO_PEER = 1;
const IFLA_INET_CONF = 1;
const IFLA_INET6_ADDR_GEN_MODE = 8;
const IN6_ADDR_GEN_MODE_EUI64 = 0;
/** The places of settings of IPv4 in a list of all, of linux/ip.h. */
const IPV4_DEVCONF = { ARP_NOTIFY: 22 } as const;
const IFLA_BR_MCAST_SNOOPING = 23;
const IFLA_BRPORT = { MODE: 4, LEARNING: 8, UNICAST_FLOOD: 9, GROUP_FWD_MASK: 31, NEIGH_SUPPRESS: 32, LOCKED: 39 } as const;
/** All of the groups 01:80:c2:00:00:00 to 0f but that of pause frames, which no bridge forwards. */
const ALL_GROUPS = 0xfffd;
const NDA = { DST: 1, LLADDR: 2 } as const;
const NUD = { REACHABLE: 0x02, NOARP: 0x40, PERMANENT: 0x80 } as const;
/** What bridge(8) calls static. */
const STATIC = NUD.NOARP | NUD.REACHABLE;
const NTF = { SELF: 2, MASTER: 4 } as const;
const AF_BRIDGE = 7;
const IFA_F_NODAD = 2;
/** RT_SCOPE_HOST: an address that no packet to another machine has as its own. */
export const SCOPE_HOST = 254;

export const ACKED = NLM_F.REQUEST | NLM_F.ACK;
export const CREATED = ACKED | NLM_F.CREATE | NLM_F.EXCL;
export const REPLACED = ACKED | NLM_F.CREATE | NLM_F.REPLACE;
const APPENDED = ACKED | NLM_F.CREATE | NLM_F.APPEND;

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
  /** The index of the link whose child it is. */
  readonly parent?: number | undefined;
  /** Queues for sending, and as many for receiving. Default: the kernel's choice, for a veth end one for each processor that the machine may have. */
  readonly queues?: number | undefined;
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

/** Makes a link of some kind. @param data the attributes of its kind */
export function newLink(kind: string, link: NewLink, data: readonly Uint8Array[], ...more: readonly Uint8Array[]): Uint8Array {
  return message(
    { type: RTM.NEWLINK, flags: CREATED },
    newLinkHeader(link),
    ...linkAttributes(link),
    attribute(IFLA.LINKINFO, attribute(IFLA_INFO.KIND, Buffer.from(kind)), attribute(IFLA_INFO.DATA, ...data)),
    ...more,
  );
}

/** Makes a bridge, without ports. It takes part in no protocol of multicast groups: what belongs to a group goes to all ports. */
export function newBridge(bridge: NewLink): Uint8Array {
  return newLink('bridge', bridge, [attribute(IFLA_BR_MCAST_SNOOPING, Uint8Array.of(0))]);
}

/** Makes an intermediate functional block: what is led to it waits in its queue, and then goes on from where it came. */
export function newIfb(ifb: NewLink): Uint8Array {
  return message(
    { type: RTM.NEWLINK, flags: CREATED },
    newLinkHeader(ifb),
    ...linkAttributes(ifb),
    attribute(IFLA.LINKINFO, attribute(IFLA_INFO.KIND, Buffer.from('ifb'))),
  );
}

/**
 * Has a bridge believe nothing about who is behind a port; it is to be told (bridge(8): learning). From another MAC address than it was told
 * nothing comes in (locked: Linux 5.18, older kernels overlook it), and what is for an unknown one does not go out (flood). All that comes in
 * is forwarded as a frame (group_fwd_mask): else frames to some groups would go up to this machine itself, past all rules of the bridge.
 */
export function lockPort(port: number): Uint8Array {
  return setPort(
    port,
    // with br_netfilter a container's packet to its own published port is sent back by the bridge itself
    attribute(IFLA_BRPORT.MODE, Uint8Array.of(1)),
    attribute(IFLA_BRPORT.LEARNING, Uint8Array.of(0)),
    attribute(IFLA_BRPORT.UNICAST_FLOOD, Uint8Array.of(0)),
    attribute(IFLA_BRPORT.GROUP_FWD_MASK, u16(ALL_GROUPS)),
    attribute(IFLA_BRPORT.LOCKED, Uint8Array.of(1)),
  );
}

/**
 * Has a bridge send through a port what is for MAC addresses that it doesn't know, and believe nothing about who is behind it. What neighbours
 * of the bridge's it knows there, the bridge answers itself (neigh_suppress: Linux 4.15), and nobody asks there for those of this machine.
 */
export function openPort(port: number): Uint8Array {
  return setPort(
    port,
    attribute(IFLA_BRPORT.LEARNING, Uint8Array.of(0)),
    attribute(IFLA_BRPORT.GROUP_FWD_MASK, u16(ALL_GROUPS)),
    attribute(IFLA_BRPORT.NEIGH_SUPPRESS, Uint8Array.of(1)),
  );
}

function setPort(port: number, ...settings: readonly Uint8Array[]): Uint8Array {
  return message(
    { type: RTM.NEWLINK, flags: ACKED },
    linkHeader(port),
    attribute(IFLA.LINKINFO, attribute(IFLA_INFO.SLAVE_KIND, Buffer.from('bridge')), attribute(IFLA_INFO.SLAVE_DATA, ...settings)),
  );
}

/** Adds a MAC address to the forwarding database of a bridge: it is behind this port, as long as the port is there (bridge(8): fdb). */
export function newFdbEntry(port: number, mac: Uint8Array): Uint8Array {
  return neighbourMessage(CREATED, { family: AF_BRIDGE, index: port, state: STATIC, flags: NTF.MASTER }, attribute(NDA.LLADDR, mac));
}

/** As {@link newFdbEntry}, where the MAC address may have been behind another port. */
export function setFdbEntry(port: number, mac: Uint8Array): Uint8Array {
  return neighbourMessage(REPLACED, { family: AF_BRIDGE, index: port, state: STATIC, flags: NTF.MASTER }, attribute(NDA.LLADDR, mac));
}

/** Has a VXLAN link send what is for a MAC address to one host, whichever had it before. */
export function setTunnelEntry(link: number, mac: Uint8Array, host: Address): Uint8Array {
  return tunnelEntry(REPLACED, link, mac, host);
}

/** Has a VXLAN link send what is for nobody whom it knows, or for a group, to this host too. A host that it sends to already stays. */
export function addTunnelPeer(link: number, host: Address): Uint8Array {
  return tunnelEntry(APPENDED, link, new Uint8Array(6), host);
}

function tunnelEntry(flags: number, link: number, mac: Uint8Array, host: Address): Uint8Array {
  const head = { family: AF_BRIDGE, index: link, state: NUD.NOARP | NUD.PERMANENT, flags: NTF.SELF };
  return neighbourMessage(flags, head, attribute(NDA.LLADDR, mac), attribute(NDA.DST, host.bytes));
}

/** Tells a link the MAC address of a neighbour, for good (ip-neighbour(8): permanent). */
export function setNeighbour(link: number, address: Address, mac: Uint8Array): Uint8Array {
  const head = { family: familyOf(address), index: link, state: NUD.PERMANENT, flags: 0 };
  return neighbourMessage(REPLACED, head, attribute(NDA.DST, address.bytes), attribute(NDA.LLADDR, mac));
}

/** struct ndmsg: family and padding, index, state, flags, type. */
function neighbourMessage(
  flags: number,
  head: { readonly family: number; readonly index: number; readonly state: number; readonly flags: number },
  ...attributes: readonly Uint8Array[]
): Uint8Array {
  const { family, index, state } = head;
  const rest = Uint8Array.of(head.flags, 0);
  return message({ type: RTM.NEWNEIGH, flags }, Uint8Array.of(family, 0, 0, 0), u32(index), u16(state), rest, ...attributes);
}

/** Changes a link: what is not given stays. `up` brings it up or down. */
export function setLink(index: number, settings: LinkSettings & { readonly up?: boolean }): Uint8Array {
  const flags = settings.up ? IFF_UP : 0;
  const change = settings.up === undefined ? 0 : IFF_UP;
  return message({ type: RTM.NEWLINK, flags: ACKED }, linkHeader(index, flags, change), ...linkAttributes(settings));
}

/**
 * Moves a link to another network namespace, where it has this name and, since Linux 5.13, the same index, or the kernel refuses it. It is down there, and has no
 * addresses. The namespace's descriptor is to be written as u32 at `namespaceOffset` first.
 */
export function moveLink(index: number, name: string): { message: Uint8Array; namespaceOffset: number } {
  const request = message(
    { type: RTM.NEWLINK, flags: ACKED },
    linkHeader(index),
    ...linkAttributes({ name }),
    attribute(IFLA.NEW_IFINDEX, u32(index)),
    attribute(IFLA.NET_NS_FD, u32(0)),
  );
  return { message: request, namespaceOffset: request.length - 4 };
}

/** Has the link-local address of a link follow from its MAC address, from when it comes up. It needs an MTU that IPv6 can do with. */
export function addressByMac(index: number): Uint8Array {
  const settings = attribute(IFLA_INET6_ADDR_GEN_MODE, Uint8Array.of(IN6_ADDR_GEN_MODE_EUI64));
  return message({ type: RTM.NEWLINK, flags: ACKED }, linkHeader(index), attribute(IFLA.AF_SPEC, attribute(AF.INET6, settings)));
}

/** Has a link tell all neighbours whose its address of IPv4 is when it comes up (Documentation/networking/ip-sysctl.rst: arp_notify). */
export function announceLink(index: number): Uint8Array {
  const settings = attribute(IFLA_INET_CONF, attribute(IPV4_DEVCONF.ARP_NOTIFY, u32(1)));
  return message({ type: RTM.NEWLINK, flags: ACKED }, linkHeader(index), attribute(IFLA.AF_SPEC, attribute(AF.INET, settings)));
}

/** Asks for one link. `namespaceId` is that of another network namespace, as this one numbers it (since Linux 4.20). */
export function getLink(link: { readonly name: string } | { readonly index: number; readonly namespaceId?: number | null }): Uint8Array {
  if ('name' in link) return message({ type: RTM.GETLINK, flags: ACKED }, linkHeader(), attribute(IFLA.IFNAME, text(link.name)));
  const target = link.namespaceId === undefined || link.namespaceId === null ? [] : [attribute(IFLA.TARGET_NETNSID, u32(link.namespaceId))];
  return message({ type: RTM.GETLINK, flags: ACKED }, linkHeader(link.index), ...target);
}

/** Asks for all links of the namespace. */
export function getLinks(): Uint8Array {
  return message({ type: RTM.GETLINK, flags: NLM_F.REQUEST | NLM_F.DUMP }, linkHeader());
}

/** Removes a link; of a veth pair both ends go. */
export function deleteLink(index: number): Uint8Array {
  return message({ type: RTM.DELLINK, flags: ACKED }, linkHeader(index));
}

/** Adds an address. An IPv6 one is usable at once: no duplicate address detection. */
export function newAddress(index: number, address: Cidr, scope: 0 | typeof SCOPE_HOST = 0): Uint8Array {
  return aboutAddress({ type: RTM.NEWADDR, flags: CREATED }, { index, address, scope });
}

/** As {@link newAddress}, also where it is there. */
export function haveAddress(index: number, address: Cidr): Uint8Array {
  return aboutAddress({ type: RTM.NEWADDR, flags: REPLACED }, { index, address, scope: 0 });
}

/** Removes an address, with the routes by which packets come from it. */
export function deleteAddress(index: number, address: Cidr): Uint8Array {
  return aboutAddress({ type: RTM.DELADDR, flags: ACKED }, { index, address, scope: 0 });
}

function aboutAddress(
  head: { readonly type: number; readonly flags: number },
  { index, address, scope }: { readonly index: number; readonly address: Cidr; readonly scope: number },
): Uint8Array {
  const header = Uint8Array.of(familyOf(address), address.prefix, address.family === 6 ? IFA_F_NODAD : 0, scope);
  return message(head, header, u32(index), attribute(IFA.LOCAL, address.bytes), attribute(IFA.ADDRESS, address.bytes));
}

/** Asks for the addresses of all links of the namespace, both families. */
export function getAddresses(): Uint8Array {
  return message({ type: RTM.GETADDR, flags: NLM_F.REQUEST | NLM_F.DUMP }, new Uint8Array(8));
}

/** struct ifinfomsg: family and padding, hardware type, index, flags, the mask of flags to change. */
function linkHeader(index = 0, flags = 0, change = 0): Uint8Array {
  return u32s(0, index, flags, change);
}

function newLinkHeader({ index, up = false }: NewLink): Uint8Array {
  return linkHeader(index, up ? IFF_UP : 0, up ? IFF_UP : 0);
}

function linkAttributes({
  name,
  mac,
  mtu,
  master,
  group,
  parent,
  queues,
}: LinkSettings & Pick<NewLink, 'parent' | 'queues'>): Uint8Array[] {
  const attributes: Uint8Array[] = [];
  if (mac) attributes.push(attribute(IFLA.ADDRESS, mac));
  if (mtu !== undefined) attributes.push(attribute(IFLA.MTU, u32(mtu)));
  if (group !== undefined) attributes.push(attribute(IFLA.GROUP, u32(group)));
  if (master !== undefined) attributes.push(attribute(IFLA.MASTER, u32(master)));
  if (parent !== undefined) attributes.push(attribute(IFLA.LINK, u32(parent)));
  if (queues !== undefined) attributes.push(attribute(IFLA.NUM_TX_QUEUES, u32(queues)), attribute(IFLA.NUM_RX_QUEUES, u32(queues)));
  if (name !== undefined) attributes.push(attribute(IFLA.IFNAME, text(name)));
  return attributes;
}

/** Of an address or a subnet. */
export function familyOf({ family }: { readonly family: 4 | 6 }): number {
  return family === 4 ? AF.INET : AF.INET6;
}

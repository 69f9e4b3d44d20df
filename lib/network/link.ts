import { NacelleError } from '../errors.js';
import type { LinkStats } from '../process/options/process-types.js';
import { describe, formatMac } from './address.js';
import { parseAttributes, parseReplies, readText, readU32, readU64 } from './netlink.js';
import { IFA, IFF_UP, IFLA, IFLA_INFO, RTM } from './rtnetlink.js';
import { IFLA_VXLAN } from './vxlan/vxlan-link.js';

/** One end of a pair, as the kernel made it. */
export interface Link {
  readonly name: string;
  /** Its number in its network namespace. */
  readonly index: number;
  readonly mac: string;
  /** Bytes. */
  readonly mtu: number;
  /** In CIDR notation, in the order in which they were given. */
  readonly addresses: readonly string[];
}

/** What RTM_GETLINK tells of a link. */
export interface LinkInfo {
  readonly name: string;
  readonly index: number;
  readonly mac: string;
  readonly mtu: number;
  readonly up: boolean;
  /** 'veth', 'bridge', …; `null` for hardware and lo. */
  readonly kind: string | null;
  /** The index of the bridge that it is a port of. */
  readonly master: number | null;
  readonly group: number;
  /** Of a link to other hosts by VXLAN: the number of the network, and the port of UDP. */
  readonly vxlan: { readonly vni: number; readonly port: number } | null;
  /** The other end's network namespace as this one numbers it; `null` when both ends are in the same. */
  readonly peerNamespaceId: number | null;
  readonly stats: LinkStats | null;
}

/** An address of a link, from RTM_GETADDR. */
export interface LinkAddress {
  /** The link's index. */
  readonly index: number;
  readonly address: string;
}

const IFINFOMSG = 16;
const IFADDRMSG = 8;
const IFA_F_PERMANENT = 0x80;
const SCOPE_UNIVERSE = 0;

/** The links of a reply to RTM_GETLINK. */
export function parseLinks(replies: Uint8Array): LinkInfo[] {
  return payloads(replies, RTM.NEWLINK).map((payload) => {
    const attributes = parseAttributes(payload.subarray(IFINFOMSG));
    const number = (type: number): number | null => {
      const value = attributes.get(type);
      return value ? readU32(value) : null;
    };
    const stats = attributes.get(IFLA.STATS64);
    const info = parseAttributes(attributes.get(IFLA.LINKINFO) ?? new Uint8Array());
    const kind = info.get(IFLA_INFO.KIND);
    const name = kind ? readText(kind) : null;
    return {
      name: readText(attributes.get(IFLA.IFNAME) ?? new Uint8Array()),
      index: readU32(payload, 4),
      mac: formatMac(attributes.get(IFLA.ADDRESS) ?? new Uint8Array()),
      mtu: number(IFLA.MTU) ?? 0,
      up: (readU32(payload, 8) & IFF_UP) !== 0,
      kind: name,
      master: number(IFLA.MASTER),
      group: number(IFLA.GROUP) ?? 0,
      vxlan: name === 'vxlan' ? parseVxlan(info.get(IFLA_INFO.DATA) ?? new Uint8Array()) : null,
      peerNamespaceId: number(IFLA.LINK_NETNSID),
      stats: stats ? parseStats(stats) : null,
    };
  });
}

/** The one link of a reply to RTM_GETLINK. */
export function parseLink(replies: Uint8Array): LinkInfo {
  const [link] = parseLinks(replies);
  if (!link) throw new NacelleError('the kernel answered without a link', { code: 'ERR_NETLINK' });
  return link;
}

/** The addresses of a reply to RTM_GETADDR, of all links. */
export function parseAddresses(replies: Uint8Array): LinkAddress[] {
  return payloads(replies, RTM.NEWADDR).flatMap((payload) => {
    const bytes = localAddress(payload);
    return bytes ? [{ index: readU32(payload, 4), address: `${describe(bytes).text}/${payload[1]}` }] : [];
  });
}

/** Those of the addresses in a reply to RTM_GETADDR that a link keeps when it moves, in CIDR notation: others are made by the kernel, or by whoever leased them. */
export function lastingAddresses(replies: Uint8Array, index: number): string[] {
  return payloads(replies, RTM.NEWADDR)
    .filter((payload) => readU32(payload, 4) === index && ((payload[2] ?? 0) & IFA_F_PERMANENT) !== 0 && payload[3] === SCOPE_UNIVERSE)
    .flatMap((payload) => {
      const bytes = localAddress(payload);
      return bytes ? [`${describe(bytes).text}/${payload[1]}`] : [];
    });
}

/** IFA_ADDRESS is the far end of a point-to-point link; IPv6 has IFA_LOCAL only there. */
function localAddress(payload: Uint8Array): Uint8Array | undefined {
  const attributes = parseAttributes(payload.subarray(IFADDRMSG));
  return attributes.get(IFA.LOCAL) ?? attributes.get(IFA.ADDRESS);
}

function payloads(replies: Uint8Array, type: number): Uint8Array[] {
  return parseReplies(replies)
    .filter((reply) => reply.type === type)
    .map((reply) => reply.payload);
}

function parseVxlan(bytes: Uint8Array): LinkInfo['vxlan'] {
  const attributes = parseAttributes(bytes);
  const [vni, port] = [attributes.get(IFLA_VXLAN.ID), attributes.get(IFLA_VXLAN.PORT)];
  // the port alone is in the order of the network
  return vni && port ? { vni: readU32(vni), port: ((port[0] ?? 0) << 8) | (port[1] ?? 0) } : null;
}

/** struct rtnl_link_stats64 begins with these eight. */
function parseStats(bytes: Uint8Array): LinkStats {
  const field = (position: number) => readU64(bytes, position * 8);
  return {
    rxPackets: field(0),
    txPackets: field(1),
    rxBytes: field(2),
    txBytes: field(3),
    rxErrors: field(4),
    txErrors: field(5),
    rxDropped: field(6),
    txDropped: field(7),
  };
}

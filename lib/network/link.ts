import { NacelleError } from '../errors.js';
import { describe, formatMac } from './address.js';
import { parseAttributes, parseReplies, readText, readU32, readU64 } from './netlink.js';
import { IFA, IFF_UP, IFLA, IFLA_INFO, RTM } from './rtnetlink.js';

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

/** Since the link was made, as `ip -s link` counts. */
export interface LinkStats {
  readonly rxBytes: number;
  readonly txBytes: number;
  readonly rxPackets: number;
  readonly txPackets: number;
  readonly rxErrors: number;
  readonly txErrors: number;
  readonly rxDropped: number;
  readonly txDropped: number;
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

/** The links of a reply to RTM_GETLINK. */
export function parseLinks(replies: Uint8Array): LinkInfo[] {
  return payloads(replies, RTM.NEWLINK).map((payload) => {
    const attributes = parseAttributes(payload.subarray(IFINFOMSG));
    const number = (type: number): number | null => {
      const value = attributes.get(type);
      return value ? readU32(value) : null;
    };
    const stats = attributes.get(IFLA.STATS64);
    const kind = parseAttributes(attributes.get(IFLA.LINKINFO) ?? new Uint8Array()).get(IFLA_INFO.KIND);
    return {
      name: readText(attributes.get(IFLA.IFNAME) ?? new Uint8Array()),
      index: readU32(payload, 4),
      mac: formatMac(attributes.get(IFLA.ADDRESS) ?? new Uint8Array()),
      mtu: number(IFLA.MTU) ?? 0,
      up: (readU32(payload, 8) & IFF_UP) !== 0,
      kind: kind ? readText(kind) : null,
      master: number(IFLA.MASTER),
      group: number(IFLA.GROUP) ?? 0,
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
    const attributes = parseAttributes(payload.subarray(IFADDRMSG));
    // IFA_ADDRESS is the far end of a point-to-point link; IPv6 has IFA_LOCAL only there.
    const bytes = attributes.get(IFA.LOCAL) ?? attributes.get(IFA.ADDRESS);
    return bytes ? [{ index: readU32(payload, 4), address: `${describe(bytes).text}/${payload[1]}` }] : [];
  });
}

function payloads(replies: Uint8Array, type: number): Uint8Array[] {
  return parseReplies(replies)
    .filter((reply) => reply.type === type)
    .map((reply) => reply.payload);
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

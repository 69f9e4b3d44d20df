import type { Address } from '../address.js';
import { attribute, NLM_F, parseAttributes, parseReplies } from '../netlink.js';
import { be16, encodeRequest, hostNumber, NFGENMSG, NFPROTO, nested, type Request, SUBSYSTEM, typeOf } from './nfnetlink.js';
import { inetProto } from './values.js';

// Entries of connections (ctnetlink). An entry has two tuples, what the first packet had and what an answer is to have:
//
//    CTA_TUPLE_ORIG [ CTA_TUPLE_IP [ source, destination ], CTA_TUPLE_PROTO [ number, source port, destination port ] ]
//
// While there is an entry the kernel looks at no NAT rule, so that a flow of UDP goes on to where a port used to lead.

/** Where connections were made to, before any NAT. */
export interface Destination {
  readonly protocol: 'tcp' | 'udp' | 'sctp';
  readonly port: number;
  /** Without bytes: any address of the family. */
  readonly address: Address | { readonly family: 4 | 6 };
}

const IPCTNL_MSG_CT = { NEW: 0, GET: 1, DELETE: 2 } as const;
const CTA = { TUPLE_ORIG: 1, TUPLE_REPLY: 2, ID: 12, ZONE: 18, FILTER: 25 } as const;
const CTA_FILTER = { ORIG_FLAGS: 1, REPLY_FLAGS: 2 } as const;
const CTA_TUPLE = { IP: 1, PROTO: 2 } as const;
const CTA_IP = { V4_SRC: 1, V4_DST: 2, V6_SRC: 3, V6_DST: 4 } as const;
const CTA_PROTO = { NUM: 1, DST_PORT: 3 } as const;
/** The bits of a filter: by which parts of a tuple it chooses. Of net/netfilter/nf_internals.h, and part of the kernel's interface. */
const FILTER = { IP_SRC: 1 << 0, IP_DST: 1 << 1, PROTO_NUM: 1 << 3, PROTO_DST_PORT: 1 << 5 } as const;
const NLA_TYPE_NESTED = 0x8000;

/**
 * Asks for the entries that were made to a destination. A kernel before 5.8 lists all entries of the family: those without
 * {@link portBytes} are others'. With an address of IPv6 those at others are listed too, for by that kernels choose the wrong way round:
 * entries that do not have it (seen in 6.18; `ctnetlink_filter_match_tuple`).
 */
export function getConnections({ protocol, port, address }: Destination): Uint8Array {
  const bytes = address.family === 4 ? bytesOf(address) : null;
  const number = attribute(CTA_PROTO.NUM, inetProto(protocol).bytes);
  const flags = FILTER.PROTO_NUM | FILTER.PROTO_DST_PORT | (bytes ? FILTER.IP_DST : 0);
  return encodeRequest({
    type: typeOf(SUBSYSTEM.conntrack, IPCTNL_MSG_CT.GET),
    flags: NLM_F.REQUEST | NLM_F.DUMP,
    family: familyNumber(address),
    attributes: [
      nested(
        CTA.TUPLE_ORIG,
        ...(bytes ? [nested(CTA_TUPLE.IP, attribute(destinationType(address), bytes))] : []),
        nested(CTA_TUPLE.PROTO, number, portBytes({ port })),
      ),
      nested(CTA.FILTER, hostNumber(CTA_FILTER.ORIG_FLAGS, flags)),
    ],
  });
}

/**
 * Requests that remove all entries with one side at an address of IPv4, whichever began and whatever NAT they have. The kernel finds them by
 * itself, in its whole table, which takes it a tenth of what a list takes. A kernel before 6.8 refuses them with EINVAL: there a tuple has to be
 * whole. There is no such request for IPv6: see {@link getConnections}.
 */
export function deleteAllConnectionsOf(address: Address & { readonly family: 4 }): Request[] {
  const side = nested(CTA_TUPLE.IP, attribute(sourceType(address), address.bytes));
  const sides = [
    { tuple: CTA.TUPLE_ORIG, flags: CTA_FILTER.ORIG_FLAGS },
    { tuple: CTA.TUPLE_REPLY, flags: CTA_FILTER.REPLY_FLAGS },
  ];
  return sides.map(({ tuple, flags }) => ({
    words: wordsOf(address),
    type: typeOf(SUBSYSTEM.conntrack, IPCTNL_MSG_CT.DELETE),
    flags: NLM_F.REQUEST,
    family: familyNumber(address),
    attributes: [nested(tuple, side), nested(CTA.FILTER, hostNumber(flags, FILTER.IP_SRC))],
  }));
}

function wordsOf({ text }: Address): string {
  return `forget a connection of ${text}`;
}

/** Asks for all entries of a family. */
export function getAllConnections(family: 4 | 6): Uint8Array {
  return encodeRequest({
    type: typeOf(SUBSYSTEM.conntrack, IPCTNL_MSG_CT.GET),
    flags: NLM_F.REQUEST | NLM_F.DUMP,
    family: familyNumber({ family }),
    attributes: [],
  });
}

/**
 * Requests that remove the entries of a reply to {@link getConnections} that were made to the destination, each by its own tuple and number:
 * an entry that is made meanwhile by newer rules stays.
 *
 * @throws NacelleError `ERR_NETLINK`: the bytes are no such reply; SyscallError: the kernel refused
 */
export function deleteConnections(replies: Uint8Array, destination: Destination): Request[] {
  const words = `forget a connection to ${destination.protocol} port ${destination.port}`;
  return deletions(replies, words, destination.address, (entry) => leadsTo(tupleOf(entry, CTA.TUPLE_ORIG), destination));
}

/**
 * As {@link deleteConnections}, for the entries of a reply to {@link getAllConnections} with one side at this address, whichever began and
 * whatever NAT they have.
 */
export function deleteConnectionsOf(replies: Uint8Array, address: Address): Request[] {
  const isAt = (entry: Attributes): boolean =>
    [CTA.TUPLE_ORIG, CTA.TUPLE_REPLY].some((side) => {
      const source = parseAttributes(tupleOf(entry, side).get(CTA_TUPLE.IP) ?? new Uint8Array()).get(sourceType(address));
      return source !== undefined && Buffer.from(source).equals(address.bytes);
    });
  return deletions(replies, wordsOf(address), address, isAt);
}

type Attributes = ReturnType<typeof parseAttributes>;

function deletions(replies: Uint8Array, words: string, of: Destination['address'], isMeant: (entry: Attributes) => boolean): Request[] {
  const entries = parseReplies(replies).filter(({ type }) => type === typeOf(SUBSYSTEM.conntrack, IPCTNL_MSG_CT.NEW));
  return entries.flatMap(({ payload }) => {
    const entry = parseAttributes(payload.subarray(NFGENMSG));
    const [tuple, id, zone] = [entry.get(CTA.TUPLE_ORIG), entry.get(CTA.ID), entry.get(CTA.ZONE)];
    if (!tuple || !isMeant(entry)) return [];
    return [
      {
        words,
        type: typeOf(SUBSYSTEM.conntrack, IPCTNL_MSG_CT.DELETE),
        flags: NLM_F.REQUEST,
        family: familyNumber(of),
        attributes: [
          attribute(NLA_TYPE_NESTED | CTA.TUPLE_ORIG, tuple),
          ...(zone ? [attribute(CTA.ZONE, zone)] : []),
          ...(id ? [attribute(CTA.ID, id)] : []),
        ],
      },
    ];
  });
}

function tupleOf(entry: Attributes, side: number): Attributes {
  return parseAttributes(entry.get(side) ?? new Uint8Array());
}

/** What each entry has that has one side at this address: that side sends in one of the two directions. */
export function addressBytes(address: Address): Uint8Array {
  return attribute(sourceType(address), address.bytes);
}

/** What the entries have that were made to the destination's port: an attribute, as it stands in the message. */
export function portBytes({ port }: Pick<Destination, 'port'>): Uint8Array {
  return attribute(CTA_PROTO.DST_PORT, be16(port));
}

function leadsTo(parts: Attributes, { protocol, port, address }: Destination): boolean {
  const ip = parseAttributes(parts.get(CTA_TUPLE.IP) ?? new Uint8Array()).get(destinationType(address));
  const proto = parseAttributes(parts.get(CTA_TUPLE.PROTO) ?? new Uint8Array());
  const same = (type: number, bytes: Uint8Array): boolean => Buffer.from(proto.get(type) ?? []).equals(bytes);
  return (
    ip !== undefined &&
    Buffer.from(ip).equals(bytesOf(address) ?? ip) &&
    same(CTA_PROTO.NUM, inetProto(protocol).bytes) &&
    same(CTA_PROTO.DST_PORT, be16(port))
  );
}

function bytesOf(address: Destination['address']): Uint8Array | null {
  return 'bytes' in address ? address.bytes : null;
}

function destinationType({ family }: Destination['address']): number {
  return family === 4 ? CTA_IP.V4_DST : CTA_IP.V6_DST;
}

function sourceType({ family }: Address): number {
  return family === 4 ? CTA_IP.V4_SRC : CTA_IP.V6_SRC;
}

function familyNumber({ family }: Destination['address']): number {
  return family === 4 ? NFPROTO.ip : NFPROTO.ip6;
}

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
const CTA = { TUPLE_ORIG: 1, ID: 12, ZONE: 18, FILTER: 25 } as const;
const CTA_FILTER_ORIG_FLAGS = 1;
const CTA_TUPLE = { IP: 1, PROTO: 2 } as const;
const CTA_IP = { V4_DST: 2, V6_DST: 4 } as const;
const CTA_PROTO = { NUM: 1, DST_PORT: 3 } as const;
/** The bits of a filter: by which parts of a tuple it chooses. Of net/netfilter/nf_internals.h, and part of the kernel's interface. */
const FILTER = { IP_DST: 1 << 1, PROTO_NUM: 1 << 3, PROTO_DST_PORT: 1 << 5 } as const;
const NLA_TYPE_NESTED = 0x8000;

/** Asks for the entries that were made to a destination. A kernel before 5.8 lists all entries of the family. */
export function getConnections({ protocol, port, address }: Destination): Uint8Array {
  const bytes = bytesOf(address);
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
        nested(CTA_TUPLE.PROTO, number, attribute(CTA_PROTO.DST_PORT, be16(port))),
      ),
      nested(CTA.FILTER, hostNumber(CTA_FILTER_ORIG_FLAGS, flags)),
    ],
  });
}

/**
 * Requests that remove the entries of a reply to {@link getConnections} that were made to the destination, each by its own tuple and number:
 * an entry that is made meanwhile by newer rules stays.
 *
 * @throws NacelleError `ERR_NETLINK`: the bytes are no such reply; SyscallError: the kernel refused
 */
export function deleteConnections(replies: Uint8Array, destination: Destination): Request[] {
  const { protocol, port, address } = destination;
  const entries = parseReplies(replies).filter(({ type }) => type === typeOf(SUBSYSTEM.conntrack, IPCTNL_MSG_CT.NEW));
  return entries.flatMap(({ payload }) => {
    const attributes = parseAttributes(payload.subarray(NFGENMSG));
    const tuple = attributes.get(CTA.TUPLE_ORIG);
    if (!tuple || !leadsTo(tuple, destination)) return [];
    const [id, zone] = [attributes.get(CTA.ID), attributes.get(CTA.ZONE)];
    return [
      {
        words: `forget a connection to ${protocol} port ${port}`,
        type: typeOf(SUBSYSTEM.conntrack, IPCTNL_MSG_CT.DELETE),
        flags: NLM_F.REQUEST,
        family: familyNumber(address),
        attributes: [
          attribute(NLA_TYPE_NESTED | CTA.TUPLE_ORIG, tuple),
          ...(zone ? [attribute(CTA.ZONE, zone)] : []),
          ...(id ? [attribute(CTA.ID, id)] : []),
        ],
      },
    ];
  });
}

function leadsTo(tuple: Uint8Array, { protocol, port, address }: Destination): boolean {
  const parts = parseAttributes(tuple);
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

function familyNumber({ family }: Destination['address']): number {
  return family === 4 ? NFPROTO.ip : NFPROTO.ip6;
}

import { attribute, type Message, message, NLM_F, u32 } from '../netlink.js';

// nfnetlink is netlink(7) for netfilter. A message's type is a subsystem and a number in it, and after its head comes struct nfgenmsg:
//
//    0        1         2          4
//    | family | version | resource | attribute | attribute | …
//
// Integers in attributes are in network byte order, and attributes that hold attributes say so (NLA_F_NESTED). Changes of nftables travel
// as a batch, which the kernel does as a whole or not at all:
//
//    | NFNL_MSG_BATCH_BEGIN | message | message | … | NFNL_MSG_BATCH_END |

export const SUBSYSTEM = { conntrack: 1, nftables: 10 } as const;

/** NFPROTO_*: which packets a table sees. */
export const NFPROTO = { unspec: 0, inet: 1, ip: 2, arp: 3, netdev: 5, bridge: 7, ip6: 10 } as const;

const NFNL_MSG_BATCH_BEGIN = 0x10;
const NFNL_MSG_BATCH_END = 0x11;
const NLA_F_NESTED = 0x8000;

/** How much precedes the attributes of a message's payload. */
export const NFGENMSG = 4;

/** One message of a batch, and what it asks for in words, for the error when the kernel refuses. */
export interface Request {
  readonly words: string;
  readonly type: number;
  readonly flags: number;
  readonly family: number;
  readonly attributes: readonly Uint8Array[];
}

/** Messages as the step `netlink_batch` takes them. */
export interface Batch {
  readonly names: readonly string[];
  readonly messages: Uint8Array;
}

export function typeOf(subsystem: number, number: number): number {
  return (subsystem << 8) | number;
}

/** An unsigned 16-bit integer in network byte order. */
export function be16(value: number): Uint8Array {
  const bytes = Buffer.allocUnsafe(2);
  bytes.writeUInt16BE(value);
  return bytes;
}

/** An unsigned 32-bit integer in network byte order; a negative one by its two's complement. */
export function be32(value: number): Uint8Array {
  const bytes = Buffer.allocUnsafe(4);
  bytes.writeInt32BE(value | 0);
  return bytes;
}

/** An attribute that holds attributes. */
export function nested(type: number, ...attributes: readonly Uint8Array[]): Uint8Array {
  return attribute(NLA_F_NESTED | type, ...attributes);
}

/** A message on its own, such as the request for a dump. */
export function encodeRequest({ type, flags, family, attributes }: Omit<Request, 'words'>, sequence = 0): Uint8Array {
  return message({ type, flags, sequence }, genericHeader(family, 0), ...attributes);
}

/** Several messages that are done one by one. */
export function encodeMessages(requests: readonly Request[]): Batch {
  return {
    names: requests.map(({ words }) => words),
    // the kernel answers those that it refuses, and the last one in any case
    messages: Buffer.concat(
      requests.map((request, index) => {
        const flags = index === requests.length - 1 ? request.flags | NLM_F.ACK : request.flags;
        return encodeRequest({ ...request, flags }, index + 1);
      }),
    ),
  };
}

/** Changes of nftables that are done together. */
export function encodeBatch(requests: readonly Request[]): Batch {
  const { names, messages } = encodeMessages(requests);
  const frame = (type: number): Uint8Array => message({ type, flags: NLM_F.REQUEST }, genericHeader(NFPROTO.unspec, SUBSYSTEM.nftables));
  return { names, messages: Buffer.concat([frame(NFNL_MSG_BATCH_BEGIN), messages, frame(NFNL_MSG_BATCH_END)]) };
}

/** The family of a reply. */
export function familyOf({ payload }: Message): number {
  return payload[0] ?? NFPROTO.unspec;
}

/** Reads an integer that {@link be32} writes. */
export function readBe32(bytes: Uint8Array): number | null {
  return bytes.length < 4 ? null : Buffer.from(bytes.subarray(0, 4)).readUInt32BE();
}

function genericHeader(family: number, resource: number): Uint8Array {
  return Uint8Array.of(family, 0, resource >> 8, resource & 0xff);
}

/** An attribute that is a number in the machine's byte order, of which nfnetlink has few. */
export function hostNumber(type: number, value: number): Uint8Array {
  return attribute(type, u32(value));
}

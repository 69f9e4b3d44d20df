import { endianness } from 'node:os';
import { getSystemErrorName } from 'node:util';
import { NacelleError, SyscallError } from '../errors.js';

// The wire format of netlink(7), in the machine's byte order; every part is padded to 4 bytes:
//
//    0        4      6       8          12     16
//    | length | type | flags | sequence | port | family header | attribute | attribute | …
//                                              '----------- payload ----------------------'
//    0        2      4
//    | length | type | value … | padding          length counts the 4 bytes of head, not the padding;
//                                                 a nested attribute's value is attributes again
//
// A request is answered by messages of its own type, NLM_F_MULTI ones up to NLMSG_DONE, or by NLMSG_ERROR:
//
//    0       4                20
//    | error | request's head | request (not when NLM_F_CAPPED) | attributes (when NLM_F_ACK_TLVS)
//
// error is 0 (that is the ACK) or -errno; the attributes are the "extended ack": the kernel's own words.

const NLMSG_ERROR = 2;
const NLMSG_DONE = 3;
const NLMSG_OVERRUN = 4;
const HEADER = 16;
const ATTRIBUTE_HEADER = 4;
/** The upper two bits of a type: NLA_F_NESTED and NLA_F_NET_BYTEORDER. */
const TYPE_MASK = 0x3fff;
const NLM_F_CAPPED = 0x100;
const NLM_F_ACK_TLVS = 0x200;
const NLMSGERR_ATTR_MSG = 1;
const NLMSGERR_ATTR_OFFS = 2;

export const NLM_F = {
  REQUEST: 0x1,
  MULTI: 0x2,
  ACK: 0x4,
  REPLACE: 0x100,
  EXCL: 0x200,
  CREATE: 0x400,
  APPEND: 0x800,
  DUMP: 0x300,
} as const;

const little = endianness() === 'LE';

export interface Message {
  readonly type: number;
  readonly flags: number;
  readonly sequence: number;
  readonly payload: Uint8Array;
}

/** What the kernel says of a request: `errno` 0 is its agreement, which may carry a warning in `text`. */
export interface Acknowledgement {
  readonly errno: number;
  readonly text: string | null;
  /** Where in the request the offending attribute is. */
  readonly offset: number | null;
}

/** Attributes by type. Of a type that comes twice the last is kept, as the kernel's own parser does. */
export type Attributes = ReadonlyMap<number, Uint8Array>;

export function u16(value: number): Uint8Array {
  const bytes = Buffer.allocUnsafe(2);
  put16(bytes, 0, value);
  return bytes;
}

export function u32(value: number): Uint8Array {
  const bytes = Buffer.allocUnsafe(4);
  put32(bytes, 0, value);
  return bytes;
}

/** Several numbers of 32 bits, as structs of headers have them. */
export function u32s(...values: readonly number[]): Uint8Array {
  const bytes = Buffer.allocUnsafe(4 * values.length);
  for (const [place, value] of values.entries()) put32(bytes, 4 * place, value);
  return bytes;
}

/** A NUL-terminated string. */
export function text(value: string): Uint8Array {
  return Buffer.from(`${value}\0`);
}

export function readU16(bytes: Uint8Array, offset = 0): number {
  need(bytes, offset, 2);
  return view(bytes).getUint16(offset, little);
}

export function readU32(bytes: Uint8Array, offset = 0): number {
  need(bytes, offset, 4);
  return view(bytes).getUint32(offset, little);
}

/** A counter, exact up to 2^53. */
export function readU64(bytes: Uint8Array, offset = 0): number {
  need(bytes, offset, 8);
  return Number(view(bytes).getBigUint64(offset, little));
}

/** A string up to its NUL, or to its end where the kernel leaves the NUL out. */
export function readText(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return Buffer.from(end < 0 ? bytes : bytes.subarray(0, end)).toString();
}

/** One attribute, padded. Several values follow each other, so nested attributes are the values of their parent. */
export function attribute(type: number, ...values: readonly Uint8Array[]): Uint8Array {
  const { bytes, length } = behindHead(ATTRIBUTE_HEADER, values);
  if (length > 0xffff) {
    throw new RangeError(`a netlink attribute holds at most ${0xffff - ATTRIBUTE_HEADER} bytes, not ${length - ATTRIBUTE_HEADER}`);
  }
  put16(bytes, 0, length);
  put16(bytes, 2, type);
  return bytes;
}

/** One message. The parts (family header, attributes) are whole multiples of 4 bytes. */
export function message(head: { type: number; flags: number; sequence?: number }, ...parts: readonly Uint8Array[]): Uint8Array {
  const { bytes, length } = behindHead(HEADER, parts);
  put32(bytes, 0, length);
  put16(bytes, 4, head.type);
  put16(bytes, 6, head.flags);
  put32(bytes, 8, head.sequence ?? 0);
  put32(bytes, 12, 0);
  return bytes;
}

/** The parts behind a head that is to be written, and padding. A container that joins a network takes some hundred of these. */
function behindHead(head: number, parts: readonly Uint8Array[]): { readonly bytes: Buffer; readonly length: number } {
  let length = head;
  for (const value of parts) length += value.length;
  const bytes = Buffer.allocUnsafe(align(length));
  let at = head;
  for (const value of parts) {
    bytes.set(value, at);
    at += value.length;
  }
  bytes.fill(0, at);
  return { bytes, length };
}

function put16(bytes: Buffer, offset: number, value: number): void {
  const bits = value & 0xffff;
  if (little) bytes.writeUInt16LE(bits, offset);
  else bytes.writeUInt16BE(bits, offset);
}

function put32(bytes: Buffer, offset: number, value: number): void {
  const bits = value >>> 0;
  if (little) bytes.writeUInt32LE(bits, offset);
  else bytes.writeUInt32BE(bits, offset);
}

/** The messages of one or several datagrams. */
export function parseMessages(bytes: Uint8Array): Message[] {
  const messages: Message[] = [];
  for (let offset = 0; offset < bytes.length; ) {
    const length = readU32(bytes, offset);
    const whole = part(bytes, offset, length, HEADER);
    messages.push({ type: readU16(whole, 4), flags: readU16(whole, 6), sequence: readU32(whole, 8), payload: whole.subarray(HEADER) });
    offset += align(length);
  }
  return messages;
}

export function parseAttributes(bytes: Uint8Array): Attributes {
  return new Map(parseAttributeList(bytes));
}

/** Attributes in their order, for lists whose elements are all of one type. */
export function parseAttributeList(bytes: Uint8Array): [type: number, value: Uint8Array][] {
  const attributes: [number, Uint8Array][] = [];
  for (let offset = 0; offset < bytes.length; ) {
    const length = readU16(bytes, offset);
    const whole = part(bytes, offset, length, ATTRIBUTE_HEADER);
    attributes.push([readU16(whole, 2) & TYPE_MASK, whole.subarray(ATTRIBUTE_HEADER)]);
    offset += align(length);
  }
  return attributes;
}

/** Reads a message of type NLMSG_ERROR. */
export function parseAcknowledgement({ flags, payload }: Message): Acknowledgement {
  const errno = readError(payload);
  // The head of the request is followed by the rest of it only when the request failed and was not capped.
  const requested = errno === 0 || flags & NLM_F_CAPPED ? HEADER : readU32(payload, 4);
  const attributes = flags & NLM_F_ACK_TLVS ? parseAttributes(payload.subarray(4 + align(requested))) : new Map<number, Uint8Array>();
  const words = attributes.get(NLMSGERR_ATTR_MSG);
  const offset = attributes.get(NLMSGERR_ATTR_OFFS);
  return { errno, text: words ? readText(words) : null, offset: offset ? readU32(offset) : null };
}

/**
 * What a request brought: the messages without the acknowledgement or the end mark.
 *
 * @throws {SyscallError} when one of them is the kernel's refusal.
 */
export function parseReplies(bytes: Uint8Array): Message[] {
  return parseMessages(bytes).filter((reply) => {
    if (reply.type === NLMSG_OVERRUN) throw malformed('replies were lost');
    if (reply.type !== NLMSG_ERROR && reply.type !== NLMSG_DONE) return true;
    const { errno, text: words } =
      reply.type === NLMSG_ERROR ? parseAcknowledgement(reply) : { errno: readError(reply.payload), text: null };
    if (errno !== 0) {
      const errnoName = getSystemErrorName(-errno);
      throw new SyscallError(`netlink: ${words ?? errnoName}`, { errno, errnoName, syscall: 'netlink' });
    }
    return false;
  });
}

/** The errno of a message, in which it is kept as -errno. */
function readError(payload: Uint8Array): number {
  return -(readU32(payload) | 0) | 0;
}

function align(length: number): number {
  return (length + 3) & ~3;
}

function view(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function part(bytes: Uint8Array, offset: number, length: number, least: number): Uint8Array {
  if (length < least) throw malformed(`a length of ${length} at ${offset}`);
  need(bytes, offset, length);
  return bytes.subarray(offset, offset + length);
}

function need(bytes: Uint8Array, offset: number, length: number): void {
  if (offset + length > bytes.length) throw malformed(`${length} bytes at ${offset} of ${bytes.length}`);
}

/** @returns the error to throw for bytes that are not what they should be */
export function malformed(problem: string): NacelleError {
  return new NacelleError(`cannot read a netlink message: ${problem}`, { code: 'ERR_NETLINK' });
}

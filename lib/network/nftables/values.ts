import type { Address } from '../address.js';
import { u32 } from '../netlink.js';
import { be16 } from './nfnetlink.js';

// What packets are compared with, and what sets are made of: by the types that `nft describe` knows. The kernel looks at a type's
// size alone; the number is for whoever lists the set.

/** The number is of nft's TYPE_*, in the order of its source. `host`: the bytes are in the machine's order. */
export const dataTypes = {
  ipv4_addr: { id: 7, size: 4, host: false },
  ipv6_addr: { id: 8, size: 16, host: false },
  ether_addr: { id: 9, size: 6, host: false },
  inet_proto: { id: 12, size: 1, host: false },
  inet_service: { id: 13, size: 2, host: false },
  mark: { id: 19, size: 4, host: true },
  iface_index: { id: 20, size: 4, host: true },
  ct_state: { id: 26, size: 4, host: true },
  ct_dir: { id: 27, size: 1, host: true },
  ct_status: { id: 28, size: 4, host: true },
  icmpv6_type: { id: 29, size: 1, host: false },
  fib_addrtype: { id: 40, size: 4, host: true },
  ifname: { id: 41, size: 16, host: true },
} as const;

export type DataType = keyof typeof dataTypes;

/** What a set has as its key, or a map as its value: one type, or several one behind the other. */
export type Types = readonly DataType[];

export interface Value<T extends DataType = DataType> {
  readonly type: T;
  readonly bytes: Uint8Array;
}

/** A value for each type. */
export type Values<K extends Types> = { readonly [I in keyof K]: Value<K[I]> };

const protocols = { icmp: 1, tcp: 6, udp: 17, icmpv6: 58, sctp: 132 } as const;
export type Protocol = keyof typeof protocols;

const addressTypes = { unicast: 1, local: 2, broadcast: 3, anycast: 4, multicast: 5 } as const;
export type AddressType = keyof typeof addressTypes;

/** IP_CT_*: `nft describe ct_state`. */
const states = { invalid: 1, established: 2, related: 4, new: 8, untracked: 64 } as const;
export type State = keyof typeof states;

/** IPS_*: `nft describe ct_status`. */
const statuses = { expected: 1, 'seen-reply': 2, assured: 4, confirmed: 8, snat: 16, dnat: 32 } as const;
export type Status = keyof typeof statuses;

/** ICMPV6_*: `nft describe icmpv6_type`. */
const icmpv6Types = {
  'nd-router-advert': 134,
  'nd-neighbor-solicit': 135,
  'nd-neighbor-advert': 136,
  'nd-redirect': 137,
  'mld2-listener-report': 143,
} as const;
export type Icmpv6Type = keyof typeof icmpv6Types;

/** @throws RangeError for a name that no link can have */
export function ifname(name: string): Value<'ifname'> {
  const bytes = Buffer.alloc(dataTypes.ifname.size);
  const length = Buffer.byteLength(name);
  if (length === 0 || length >= bytes.length || name.includes('\0')) throw new RangeError(`'${name}' is no name of a link`);
  bytes.write(name);
  return { type: 'ifname', bytes };
}

/** The number of a link. @throws RangeError for one that no link can have */
export function ifindex(index: number): Value<'iface_index'> {
  if (!Number.isInteger(index) || index <= 0 || index > 0x7fff_ffff) throw new RangeError(`${index} is no number of a link`);
  return { type: 'iface_index', bytes: u32(index) };
}

export function icmpv6(type: Icmpv6Type): Value<'icmpv6_type'> {
  return { type: 'icmpv6_type', bytes: Uint8Array.of(icmpv6Types[type]) };
}

/** @throws RangeError for an address of the other family */
export function ipv4Addr(address: Address): Value<'ipv4_addr'> {
  if (address.family !== 4) throw new RangeError(`${address.text} is no IPv4 address`);
  return { type: 'ipv4_addr', bytes: address.bytes };
}

/** @throws RangeError for an address of the other family */
export function ipv6Addr(address: Address): Value<'ipv6_addr'> {
  if (address.family !== 6) throw new RangeError(`${address.text} is no IPv6 address`);
  return { type: 'ipv6_addr', bytes: address.bytes };
}

/** @throws RangeError for another number of bytes than 6 */
export function etherAddr(mac: Uint8Array): Value<'ether_addr'> {
  if (mac.length !== dataTypes.ether_addr.size) throw new RangeError(`a MAC address has 6 bytes, not ${mac.length}`);
  return { type: 'ether_addr', bytes: mac };
}

export function inetProto(protocol: Protocol): Value<'inet_proto'> {
  return { type: 'inet_proto', bytes: Uint8Array.of(protocols[protocol]) };
}

/** A port. @throws RangeError when it is none */
export function inetService(port: number): Value<'inet_service'> {
  if (!Number.isInteger(port) || port < 0 || port > 0xffff) throw new RangeError(`${port} is no port`);
  return { type: 'inet_service', bytes: be16(port) };
}

/** A mark of a packet or a connection. @throws RangeError when 32 bits don't hold it */
export function mark(value: number): Value<'mark'> {
  if (!Number.isInteger(value) || value < 0 || value > 0xffff_ffff) throw new RangeError(`${value} is no mark`);
  return { type: 'mark', bytes: u32(value) };
}

/** IP_CT_DIR_*: whether a packet goes the way of the first one of its connection, or back. */
export function ctDir(direction: 'original' | 'reply'): Value<'ct_dir'> {
  return { type: 'ct_dir', bytes: Uint8Array.of(direction === 'reply' ? 1 : 0) };
}

export function addressType(kind: AddressType): Value<'fib_addrtype'> {
  return { type: 'fib_addrtype', bytes: u32(addressTypes[kind]) };
}

/** The bits of all of these. */
export function ctStates(...names: readonly State[]): Value<'ct_state'> {
  return { type: 'ct_state', bytes: u32(names.reduce((bits, name) => bits | states[name], 0)) };
}

/** The bits of all of these. */
export function ctStatuses(...names: readonly Status[]): Value<'ct_status'> {
  return { type: 'ct_status', bytes: u32(names.reduce((bits, name) => bits | statuses[name], 0)) };
}

/** Several values one behind the other, each filled up to 4 bytes, unless there is only one. */
export function concatenate(values: readonly Value[]): Uint8Array {
  const [first] = values;
  if (values.length === 1 && first) return first.bytes;
  return Buffer.concat(values.map(({ bytes, type }) => Buffer.concat([bytes], padded(dataTypes[type].size))));
}

/** How many bytes values of these types have together. */
export function sizeOf(types: Types): number {
  const [first] = types;
  if (types.length === 1 && first) return dataTypes[first].size;
  return types.reduce((sum, type) => sum + padded(dataTypes[type].size), 0);
}

/** The number of the types together: each has 6 bits of it. */
export function typeId(types: Types): number {
  return types.reduce((id, type) => (id << 6) | dataTypes[type].id, 0);
}

/** Up to whole registers of 4 bytes. */
export function padded(size: number): number {
  return (size + 3) & ~3;
}

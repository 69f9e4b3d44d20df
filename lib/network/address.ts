import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';

/** An address of a link and the subnet that it opens: '10.0.0.1/24', 'fd00::1/64'. */
export interface Cidr {
  readonly family: 4 | 6;
  readonly bytes: Uint8Array;
  readonly prefix: number;
  /** In the shortest form (RFC 5952), as `ip` prints it. */
  readonly text: string;
}

export interface Address {
  readonly family: 4 | 6;
  readonly bytes: Uint8Array;
  readonly text: string;
}

/** Reads '10.0.0.1' or 'fd00::1'. Returns the problem in words when it is none. */
export function parseAddress(value: string): Address | string {
  // node:net is strict; ipaddr.js would take '0x7f.1' as well.
  const family = isIP(value);
  if (family === 0) return `'${value}' is not an IP address`;
  if (value.includes('%')) return `'${value}' names a zone: leave out what follows the %`;
  const address = ipaddr.parse(value);
  const range = address.range();
  if (range === 'multicast' || range === 'unspecified' || range === 'broadcast')
    return `'${value}' is a ${range} address, which no link can have`;
  return describe(Uint8Array.from(address.toByteArray()));
}

/** Reads '10.0.0.1/24'. Returns the problem in words when it is none. */
export function parseCidr(value: string): Cidr | string {
  const [, host, length] = /^([^/]*)\/(\d{1,3})$/.exec(value) ?? [];
  if (host === undefined || length === undefined) return `'${value}' is not in CIDR notation, such as '10.0.0.1/24'`;
  const address = parseAddress(host);
  if (typeof address === 'string') return address;
  const prefix = Number(length);
  const longest = address.family === 4 ? 32 : 128;
  if (prefix > longest) return `'${value}' has a prefix longer than ${longest}`;
  return withPrefix(address, prefix);
}

/** Reads what was written down of an address that {@link parseAddress} or {@link parseCidr} gave. @throws RangeError when it is none */
export function known<T extends object>(parsed: T | string): T {
  if (typeof parsed === 'string') throw new RangeError(parsed);
  return parsed;
}

export function knownAddress(text: string): Address {
  return known(parseAddress(text));
}

export function withPrefix({ family, bytes, text }: Address, prefix: number): Cidr {
  return { family, bytes, prefix, text: `${text}/${prefix}` };
}

/** The address alone, as text: '10.0.0.1' of '10.0.0.1/24'. */
export function hostOf(cidr: string): string {
  return cidr.slice(0, cidr.indexOf('/'));
}

/** The address of a kernel's attribute: 4 or 16 bytes. */
export function describe(bytes: Uint8Array): Address {
  if (bytes.length === 4) return { family: 4, bytes, text: bytes.join('.') };
  const address = ipaddr.fromByteArray([...bytes]);
  const text = address instanceof ipaddr.IPv6 ? address.toRFC5952String() : address.toString();
  return { family: 6, bytes, text };
}

/** Whether an address lies in the subnet. */
export function contains(subnet: Cidr, address: Address): boolean {
  if (subnet.family !== address.family) return false;
  return ipaddr.fromByteArray([...address.bytes]).match(ipaddr.fromByteArray([...subnet.bytes]), subnet.prefix);
}

/** fe80::/10: reachable on the link whatever subnets it has. */
export function isLinkLocal(address: Address): boolean {
  return address.family === 6 && address.bytes[0] === 0xfe && ((address.bytes[1] ?? 0) & 0xc0) === 0x80;
}

/** Reads '02:42:ac:11:00:02'. Returns the problem in words when it is none, or none that a link can have. */
export function parseMac(value: string): Uint8Array | string {
  if (!/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/i.test(value)) return `'${value}' is not a MAC address, such as '02:42:ac:11:00:02'`;
  const bytes = Buffer.from(value.replaceAll(':', ''), 'hex');
  if ((bytes[0] ?? 0) & 1) return `'${value}' is a multicast MAC address`;
  if (bytes.every((byte) => byte === 0)) return `'${value}' is no address of a link`;
  return bytes;
}

export function formatMac(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join(':');
}

import { endianness } from 'node:os';
import { type Cidr, describe, isLinkLocal, parseAddress, withPrefix } from '../address.js';

// What /proc/net/route, /proc/net/ipv6_route (proc_pid_net(5)) and /etc/resolv.conf (resolv.conf(5)) tell. Pure.

/** A route of the main table. */
export interface Route {
  readonly link: string;
  /** The subnet that it leads to; 0.0.0.0/0 for a default route. */
  readonly to: Cidr;
  /** What it leads to is on the link itself, and not behind a gateway. */
  readonly isOnLink: boolean;
  readonly metric: number;
}

const UP = 1;
/** RTF_ADDRCONF of linux/ipv6_route.h. */
const ADVERTISED = 0x40000;

/** The routes of IPv4. Addresses are numbers of 32 bits there, in the machine's byte order. */
export function parseRoutes(text: string, order = endianness()): Route[] {
  return fieldsOf(text).flatMap(([link = '', to = '', gateway = '', flags = '', , , metric = '', mask = '']): Route[] => {
    if (!/^[0-9A-F]{8}$/.test(to) || (Number.parseInt(flags, 16) & UP) === 0) return [];
    const bytes = order === 'LE' ? Buffer.from(to, 'hex').reverse() : Buffer.from(to, 'hex');
    const prefix = ones(Number.parseInt(mask, 16));
    return [{ link, to: withPrefix(describe(Uint8Array.from(bytes)), prefix), isOnLink: /^0+$/.test(gateway), metric: Number(metric) }];
  });
}

/** The routes of IPv6, without those to link-local and multicast addresses, and to this machine's own. */
export function parseRoutes6(text: string): Route[] {
  return fieldsOf(text).flatMap(([to = '', length = '', , , next = '', metric = '', , , flags = '', link = '']): Route[] => {
    if (!/^[0-9a-f]{32}$/.test(to) || (Number.parseInt(flags, 16) & UP) === 0 || link === 'lo') return [];
    const cidr = withPrefix(describe(Uint8Array.from(Buffer.from(to, 'hex'))), Number.parseInt(length, 16));
    if (isLinkLocal(cidr) || cidr.bytes[0] === 0xff) return [];
    return [{ link, to: cidr, isOnLink: /^0+$/.test(next), metric: Number.parseInt(metric, 16) }];
  });
}

/** Links by which a router has given this machine a default route of IPv6. */
export function advertisedLinks(text: string): string[] {
  const found = fieldsOf(text).flatMap(([to = '', length = '', , , , , , , flags = '', link = '']): string[] => {
    const isDefault = /^0{32}$/.test(to) && /^0+$/.test(length) && link !== 'lo';
    return isDefault && (Number.parseInt(flags, 16) & ADVERTISED) !== 0 ? [link] : [];
  });
  return [...new Set(found)];
}

/** The link of the default route that is used: the one with the lowest metric. */
export function defaultLink(routes: readonly Route[]): string | null {
  const ways = routes.filter(({ to }) => to.prefix === 0).sort((one, other) => one.metric - other.metric);
  return ways[0]?.link ?? null;
}

/** Subnets that this machine reaches without a gateway. Others it may reach by a VPN's default route: those count for nothing. */
export function onLink(routes: readonly Route[]): Cidr[] {
  return routes.filter(({ to, isOnLink }) => isOnLink && to.prefix > 0).map(({ to }) => to);
}

/** The name servers of a resolv.conf, each as a subnet of one address. */
export function nameServers(text: string): Cidr[] {
  return [...text.matchAll(/^nameserver[ \t]+([^\s%]+)/gm)].flatMap(([, given = '']): Cidr[] => {
    const address = parseAddress(given);
    return typeof address === 'string' ? [] : [withPrefix(address, 8 * address.bytes.length)];
  });
}

function fieldsOf(text: string): string[][] {
  return text
    .split('\n')
    .filter(Boolean)
    .map((line) => line.trim().split(/\s+/));
}

function ones(mask: number): number {
  return mask.toString(2).replaceAll('0', '').length;
}

import { isIP } from 'node:net';
import { domainToASCII } from 'node:url';
import ipaddr from 'ipaddr.js';
import { type Cidr, describe, withPrefix } from '../address.js';
import { overlaps, subnetOf } from '../ipam/subnet.js';
import { isName } from '../names/member.js';

// An entry of a container's list of what it may connect to, as read and as it travels. Pure.

/** Names or addresses, and their port. */
export interface EgressTarget {
  /** 'example.org', '*.example.org', '*'; or a subnet. */
  readonly host: string | Cidr;
  /** `null`: every port. */
  readonly port: number | null;
}

const NAME = /^(?:[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?)(?:\.[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?)*$/;

/** What no connection leads out to: the container has these itself. */
const OWN = [
  { block: block('127.0.0.0', 8), why: "are the container's own loopback" },
  { block: block('::1', 128), why: "is the container's own loopback" },
  { block: block('198.18.0.0', 15), why: 'stand for names' },
  { block: block('fd6e:6163:656c:6c65::', 64), why: 'stand for names' },
  { block: block('224.0.0.0', 4), why: 'are multicast, which TCP has not' },
  { block: block('ff00::', 8), why: 'are multicast, which TCP has not' },
  { block: block('::ffff:0:0', 96), why: "are IPv4's: write them as such" },
] as const;

/**
 * Reads 'registry.example.org', '*.example.com:443', '10.1.0.0/16:5432', '[fd00::/8]:443' or an address alone. Returns the problem in words
 * when the text is none of them.
 */
export function parseEgressTarget(value: string): EgressTarget | string {
  if (value.includes('://')) return `'${value}' is a URL: give the host and the port, such as 'example.org:443'`;
  const parts = split(value);
  if (typeof parts === 'string') return parts;
  const host = readHost(parts.host);
  if (typeof host === 'object' && 'problem' in host) return host.problem;
  if (parts.port === undefined) return { host, port: null };
  const port = /^[1-9]\d{0,4}$/.test(parts.port) ? Number(parts.port) : 0;
  return port >= 1 && port <= 65_535 ? { host, port } : `'${value}' has no port from 1 to 65535 behind its ':'`;
}

/** The entry as the shim reads it (addon/shim/egress/policy.h). */
export function egressRule(verdict: 'allow' | 'deny', { host, port }: EgressTarget): string {
  return `${verdict} ${typeof host === 'string' ? host : host.text} ${port ?? 0}`;
}

/** The entry in the words in which it is given. */
export function egressText({ host, port }: EgressTarget): string {
  const text = typeof host === 'string' ? host : host.text;
  if (port === null) return text;
  return text.includes(':') ? `[${text}]:${port}` : `${text}:${port}`;
}

function split(value: string): { readonly host: string; readonly port?: string } | string {
  if (value.startsWith('[')) {
    const [, host, port] = /^\[([^\]]*)\](?::(.*))?$/.exec(value) ?? [];
    if (host === undefined || !host.includes(':')) return `'${value}' is not as '[fd00::/8]:443' is`;
    return port === undefined ? { host } : { host, port };
  }
  const colon = value.indexOf(':');
  // several of them are an address of IPv6, which can have a port only behind brackets
  if (colon < 0 || colon !== value.lastIndexOf(':')) return { host: value };
  return { host: value.slice(0, colon), port: value.slice(colon + 1) };
}

function readHost(host: string): string | Cidr | { readonly problem: string } {
  const isAddress = host.includes(':') || /^[\d.]+(?:\/.*)?$/.test(host);
  return isAddress ? readBlock(host) : readName(host);
}

function readBlock(value: string): Cidr | { readonly problem: string } {
  const [address = '', length, ...more] = value.split('/');
  const family = isIP(address);
  if (family === 0 || address.includes('%') || more.length > 0)
    return { problem: `'${value}' is no address, and no subnet such as '10.1.0.0/16'` };
  const longest = family === 4 ? 32 : 128;
  const prefix = length === undefined ? longest : /^(?:0|[1-9]\d{0,2})$/.test(length) ? Number(length) : -1;
  if (prefix < 0 || prefix > longest) return { problem: `'${value}' has no prefix from 0 to ${longest} behind its '/'` };
  const given = block(address, prefix);
  const subnet = subnetOf(given);
  if (subnet.text !== given.text) return { problem: `'${value}' is an address in the subnet ${subnet.text}: give one of the two` };
  const own = OWN.find(({ block: one }) => overlaps(one, subnet) && subnet.prefix >= one.prefix);
  return own ? { problem: `'${value}' can't be given: addresses of ${own.block.text} ${own.why}` } : subnet;
}

function readName(value: string): string | { readonly problem: string } {
  if (value === '*') return value;
  const name = value.toLowerCase().replace(/\.$/, '');
  const rest = name.startsWith('*.') ? name.slice(2) : name;
  if (rest.includes('*'))
    return { problem: `'${value}' has a '*' that is not its first part: '*.example.org' is every name below example.org` };
  if (/[^\0-\x7f]/.test(rest)) {
    const ascii = domainToASCII(rest);
    return { problem: `'${value}' is not as names travel${ascii === '' ? '' : `: give '${name.startsWith('*.') ? '*.' : ''}${ascii}'`}` };
  }
  const isFine = NAME.test(rest) && isName(rest) && !/(?:^|\.)\d+$/.test(rest);
  return isFine ? name : { problem: `'${value}' is no name of a host, such as 'example.org' or '*.example.org'` };
}

function block(address: string, prefix: number): Cidr {
  return withPrefix(describe(Uint8Array.from(ipaddr.parse(address).toByteArray())), prefix);
}

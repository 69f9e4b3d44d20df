import * as z from 'zod';
import { parseOptions } from '../options/parse-options.js';
import { type Address, type Cidr, contains, isLinkLocal, parseAddress, parseCidr, parseMac } from './address.js';
import type { GuardedPort } from './rules/guarded-port.js';

/** What a network namespace is to this folder: a descriptor. A `Namespace` is one. */
export interface NetworkNamespace {
  readonly fd: number;
  readonly type?: string | undefined;
}

/** Something that has a network namespace: a `Container`. The namespace that it gives is closed after use. */
export interface NetworkOwner {
  /** The networks by which its namespace reaches others; none where it has none. @internal */
  readonly networks?: readonly string[] | undefined;
  /** What may be sent by its links to them. @internal */
  readonly guarded?: readonly GuardedPort[] | undefined;
  /** What its programs reach is a list of names (`egress`), which are asked for inside. @internal */
  readonly hasEgress?: boolean | undefined;
  /** It reaches others by pasta(1), and names are asked for inside. @internal */
  readonly hasPasta?: boolean | undefined;
  /** Does some work while its list of names is neither lifted nor put back. @internal */
  withList?<T>(work: () => Promise<T>): Promise<T>;
  namespace(type: 'net'): Promise<NetworkNamespace & { close(): Promise<void> }>;
}

/** Options of `VethPair.create`. */
export interface VethOptions {
  /** This end's name, 1 to 15 bytes. Default: a unique one. */
  readonly name?: string | undefined;
  /** The other end's name. Default: a unique one. */
  readonly peerName?: string | undefined;
  /** Where this end lives. Default: Node's own network namespace. */
  readonly namespace?: NetworkNamespace | undefined;
  /** Where the other end lives: a namespace, a container, or the pid of a process in it, which the caller knows to be alive. */
  readonly peer: NetworkNamespace | NetworkOwner | number;
  /** In CIDR notation: '10.0.0.1/24', ['10.0.0.1/24', 'fd00::1/64']. IPv6 ones are usable at once (no duplicate address detection). */
  readonly address?: string | readonly string[] | undefined;
  readonly peerAddress?: string | readonly string[] | undefined;
  /** The peer's default route, for the gateway's own family. It lies in a subnet of the peer, or is link-local. */
  readonly gateway?: string | undefined;
  /** Bytes, of both ends. Default: the kernel's, 1500. */
  readonly mtu?: number | undefined;
  /** Default: a random one of the kernel's. */
  readonly mac?: string | undefined;
  readonly peerMac?: string | undefined;
  /** A bridge in this end's namespace, which this end becomes a port of. */
  readonly bridge?: string | undefined;
  /** The pair stays when its owner has ended. Default false. */
  readonly persist?: boolean | undefined;
}

/** Checked, and read: addresses as bytes. */
export type VethSettings = z.output<typeof schema>;

const SMALLEST_MTU = 68;
const SMALLEST_IPV6_MTU = 1280;
const LARGEST_MTU = 65535;

/** @throws NacelleError `ERR_INVALID_OPTION` */
export function parseVethOptions(options: unknown): VethSettings {
  return parseOptions(schema, options, 'options');
}

/** What is wrong with a link's name, or `null`: the kernel's rules (dev_valid_name), and no '%', which would be a pattern to it. */
export function nameProblem(name: string): string | null {
  const bytes = Buffer.from(name);
  if (bytes.length < 1 || bytes.length > 15) return `'${name}' is ${bytes.length} bytes long: a link's name has 1 to 15`;
  if (name === '.' || name === '..') return `'${name}' is no name of a link`;
  // The kernel counts the byte 0xa0 as a space, also inside a UTF-8 character.
  if (bytes.some((byte) => byte <= 0x20 || byte === 0x7f || byte === 0xa0)) return `'${name}' has white space or a control character in it`;
  const sign = /[/:%]/.exec(name);
  return sign ? `'${name}' has a '${sign[0]}' in it` : null;
}

/** The schema of a text that `read` understands; where it does not, it returns the problem in words. */
export function readable<T extends object>(read: (value: string) => T | string) {
  return z.string().transform((value, context): T => {
    const result = read(value);
    if (typeof result !== 'string') return result;
    context.issues.push({ code: 'custom', message: result, input: value });
    return z.NEVER;
  });
}

const cidr = readable<Cidr>(parseCidr);
const cidrs = z.union([cidr, z.array(cidr)]).transform((given) => (Array.isArray(given) ? given : [given]));
export const mac = readable<Uint8Array>(parseMac);
export const linkName = z.string().superRefine((name, context) => {
  const problem = nameProblem(name);
  if (problem) context.addIssue({ code: 'custom', message: problem });
});
const namespace = z.custom<NetworkNamespace>(isNamespace, 'must be a network namespace');
const peer = z.custom<NetworkNamespace | NetworkOwner | number>(
  (value) => isPid(value) || isNamespace(value) || isOwner(value),
  'must be a network namespace, a container, or a pid',
);

const schema = z
  .strictObject({
    name: linkName.optional(),
    peerName: linkName.optional(),
    namespace: namespace.optional(),
    peer,
    address: cidrs.default([]),
    peerAddress: cidrs.default([]),
    gateway: readable<Address>(parseAddress).optional(),
    mtu: z.int().min(SMALLEST_MTU).max(LARGEST_MTU).optional(),
    mac: mac.optional(),
    peerMac: mac.optional(),
    bridge: linkName.optional(),
    persist: z.boolean().default(false),
  })
  .superRefine((options, context) => {
    const problem = (option: keyof typeof options, message: string) => context.addIssue({ code: 'custom', path: [option], message });

    const seen = new Set<string>();
    for (const option of ['address', 'peerAddress'] as const) {
      for (const { bytes, text } of options[option]) {
        const key = String(bytes);
        if (seen.has(key)) problem(option, `${text} is given twice`);
        seen.add(key);
      }
    }
    if (options.mac && options.peerMac && String(options.mac) === String(options.peerMac)) problem('peerMac', 'is the same as mac');

    const ipv6 = [...options.address, ...options.peerAddress].some(({ family }) => family === 6);
    if (ipv6 && options.mtu !== undefined && options.mtu < SMALLEST_IPV6_MTU) {
      problem('mtu', `must be at least ${SMALLEST_IPV6_MTU} where a link has an IPv6 address, not ${options.mtu}`);
    }

    const { gateway } = options;
    if (!gateway) return;
    if (options.peerAddress.some(({ bytes }) => String(bytes) === String(gateway.bytes))) {
      problem('gateway', `${gateway.text} is the peer's own address`);
    } else if (!isLinkLocal(gateway) && !options.peerAddress.some((subnet) => contains(subnet, gateway))) {
      const subnets = options.peerAddress.map(({ text }) => text).join(', ');
      problem('gateway', `${gateway.text} is in no subnet of peerAddress (${subnets || 'which is empty'}), so the peer could not reach it`);
    }
  });

function isPid(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value > 0;
}

function isNamespace(value: unknown): value is NetworkNamespace {
  if (typeof value !== 'object' || value === null || !('fd' in value)) return false;
  return Number.isSafeInteger(value.fd) && Number(value.fd) >= 0 && (!('type' in value) || value.type === 'net');
}

function isOwner(value: unknown): value is NetworkOwner {
  return typeof value === 'object' && value !== null && 'namespace' in value && typeof value.namespace === 'function';
}

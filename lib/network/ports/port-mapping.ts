import * as z from 'zod';
import { type Address, describe, isLinkLocal, parseAddress } from '../address.js';

/** A port of a container that is reached by one of this machine. */
export interface PortMapping {
  /** The container's, 1 to 65,535. */
  readonly container: number;
  /** This machine's, 1 to 65,535. Default, and 0: a free one of the kernel's `net.ipv4.ip_local_port_range`. */
  readonly host?: number | undefined;
  /** Where it is reached: an address of this machine, '0.0.0.0' or '::' for all of a family. Default 127.0.0.1. */
  readonly address?: string | undefined;
  /** Default 'tcp'. */
  readonly protocol?: 'tcp' | 'udp' | undefined;
}

/** A port as it is published: all that can be left open is settled. */
export interface PublishedPort {
  /** The container's port. */
  readonly container: number;
  /** This machine's port, never 0: where the kernel chose one, that one. */
  readonly host: number;
  /** The address of this machine at which it is reached; '0.0.0.0' or '::' stands for all of a family. */
  readonly address: string;
  readonly protocol: 'tcp' | 'udp';
}

/** A checked mapping of one port of a container. */
export interface WantedPort {
  readonly container: number;
  /** The first of these that is free; `null`: any. */
  readonly host: { readonly first: number; readonly last: number } | null;
  readonly address: Address;
  readonly protocol: 'tcp' | 'udp';
}

interface Range {
  readonly first: number;
  readonly last: number;
}

const LOOPBACK = describe(Uint8Array.of(127, 0, 0, 1));
const FORM = "must be as '8080:80', '127.0.0.1::53/udp', '[::]:8080:80' or '9000-9010:9000-9010'";

/** Ports that are shown, and not held, would be a way past whoever binds them. */
const NO_SCTP =
  "has the protocol 'sctp', of which no port can be held for a container: most kernels have no sockets of it, and nothing carries it from the loopback. It must be tcp or udp; containers of a network need no port to reach each other";

/** Whether an address stands for all addresses of its family. */
export function isWildcard({ bytes }: Address): boolean {
  return bytes.every((byte) => byte === 0);
}

/** 127.0.0.0/8 and ::1. */
export function isLoopback({ family, bytes, text }: Address): boolean {
  return family === 4 ? bytes[0] === 127 : text === '::1';
}

/**
 * Reads '[ADDRESS:][HOST:]CONTAINER[/PROTOCOL]' as docker does, each port of a range of the container's by itself. Returns the problem in
 * words when it is none. Pure.
 */
export function parsePorts(text: string): WantedPort[] | string {
  const [, addressText, hostText, containerText = '', protocolText = 'tcp'] =
    /^(?:(\[[^\]]*\]|[^:[\]]*):(?=[^:]*:))?(?:([^:]*):)?([^:/]+)(?:\/(.*))?$/.exec(text) ?? [];
  const container = parseRange(containerText, 1);
  if (container === null) return containerText === '' ? FORM : `has '${containerText}' as the container's port: ${FORM}`;
  const protocol = protocolText === 'tcp' || protocolText === 'udp' ? protocolText : null;
  if (protocol === null) return protocolText === 'sctp' ? NO_SCTP : `has the protocol '${protocolText}': must be tcp or udp`;
  const address = addressText === undefined || addressText === '' ? LOOPBACK : parseHostAddress(addressText.replace(/^\[(.*)\]$/, '$1'));
  if (typeof address === 'string') return address;
  const isAny = hostText === undefined || hostText === '' || hostText === '0';
  const host = isAny ? null : parseRange(hostText, 1);
  if (host === null && !isAny) return `has '${hostText}' as this machine's port: ${FORM}`;
  return pair(container, host, { address, protocol });
}

function pair(container: Range, host: Range | null, rest: Pick<WantedPort, 'address' | 'protocol'>): WantedPort[] | string {
  const count = container.last - container.first + 1;
  const containers = Array.from({ length: count }, (_, place) => container.first + place);
  // one port of the container's may have any of a range
  if (host === null || count === 1) return containers.map((port) => ({ container: port, host, ...rest }));
  if (host.last - host.first + 1 !== count)
    return "has ranges of different lengths: the container's and this machine's must be equally long";
  return containers.map((port, place) => ({ container: port, host: { first: host.first + place, last: host.first + place }, ...rest }));
}

function parseRange(text: string, least: number): Range | null {
  const [, first, last = first] = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(text) ?? [];
  const range = { first: Number(first), last: Number(last) };
  return range.first >= least && range.first <= range.last && range.last <= 0xffff ? range : null;
}

/** An address of this machine, or one that stands for all of them. Returns the problem in words. */
function parseHostAddress(text: string): Address | string {
  if (text === '0.0.0.0') return describe(new Uint8Array(4));
  if (text === '::') return describe(new Uint8Array(16));
  const address = parseAddress(text);
  if (typeof address === 'string') return address;
  if (isLinkLocal(address)) return `is at ${address.text}, which each link may have: give another address`;
  if (address.text.startsWith('::ffff:')) return `is at ${address.text}: give the address of IPv4`;
  return address;
}

const port = z.int().min(1).max(0xffff);

const mapping = z
  .strictObject({
    container: port,
    host: z.int().min(0).max(0xffff).optional(),
    address: z.string().optional(),
    protocol: z.enum(['tcp', 'udp'], { error: ({ input }) => (input === 'sctp' ? NO_SCTP : undefined) }).optional(),
  })
  .transform(({ container, host = 0, address: text, protocol = 'tcp' }, context): WantedPort => {
    const address = text === undefined ? LOOPBACK : parseHostAddress(text);
    if (typeof address !== 'string') return { container, host: host === 0 ? null : { first: host, last: host }, address, protocol };
    context.issues.push({ code: 'custom', message: address, path: ['address'], input: text });
    return z.NEVER;
  });

const written = z.string().transform((text, context): WantedPort[] => {
  const ports = parsePorts(text);
  if (typeof ports !== 'string') return ports;
  context.issues.push({ code: 'custom', message: ports, input: text });
  return z.NEVER;
});

/** A mapping, of which a text with ranges has several. */
export const portMapping = z.union([written, mapping.transform((one) => [one])]);

/** Each is a socket that the container's supervisor holds. */
const MOST_PORTS = 1024;

/** The option `ports`. */
export const portMappings = z
  .array(portMapping)
  .readonly()
  .refine((all) => all.flat().length <= MOST_PORTS, `has more than ${MOST_PORTS} ports, with those of ranges`);

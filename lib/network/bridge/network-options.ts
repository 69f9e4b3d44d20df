import * as z from 'zod';
import { invalidOption } from '../../errors.js';
import { text } from '../../options/common-schemas.js';
import { parseOptions } from '../../options/parse-options.js';
import { type Address, type Cidr, parseAddress, parseCidr } from '../address.js';
import { hostBits, lastNumber, numberIn, subnetOf } from '../ipam/subnet.js';

/** Options of `Network.create`. */
export interface NetworkOptions {
  /** Default 'bridge': a bridge of the kernel's, with this machine at the gateway's address. */
  readonly driver?: 'bridge' | undefined;
  /**
   * In CIDR notation, one of a family at most: '10.1.0.0/24', ['10.1.0.0/24', 'fd00:1::/64']. Default: a free /24 of 10.89.0.0/16,
   * 10.90.0.0/15, 10.92.0.0/14, 10.96.0.0/11 and 10.128.0.0/9.
   */
  readonly subnet?: string | readonly string[] | undefined;
  /** This machine's address in the first subnet. Default: the subnet's first. */
  readonly gateway?: string | undefined;
  /** The part of the first subnet from which containers get addresses that don't ask for one. Default: all of it. */
  readonly range?: string | undefined;
  /** Containers get no default route from it. Default false. */
  readonly internal?: boolean | undefined;
  /** A random subnet of unique local addresses (RFC 4193), where `subnet` has none of IPv6. Default false. */
  readonly ipv6?: boolean | undefined;
  /** Bytes. Default: that of the link with this machine's default route, or 1500. */
  readonly mtu?: number | undefined;
  /** Words of the caller's own. Default none. */
  readonly labels?: Readonly<Record<string, string>> | undefined;
  /** The bridge is made at once and stays without containers until the network is removed, or the machine goes down. Default false. */
  readonly persist?: boolean | undefined;
}

/** Checked, with subnets and addresses read. */
export interface ParsedNetwork {
  readonly ipv4: Cidr | null;
  readonly ipv6: Cidr | null;
  /** An IPv6 subnet is wanted, which somebody must pick. */
  readonly picksIpv6: boolean;
  readonly gateway: Address | null;
  readonly range: Cidr | null;
  readonly internal: boolean;
  readonly mtu: number | null;
  readonly labels: Readonly<Record<string, string>>;
  readonly persist: boolean;
}

/** docker's rule for names. */
const NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}$/;
/** What the option `network` of a container has other meanings for. */
const OTHERS = ['none', 'host', 'container', 'default', 'pasta'];

export const networkName = z
  .string()
  .regex(NAME, "must be the name of a network: letters, digits, '_', '.' and '-', the first a letter or a digit, at most 128")
  .refine((name) => !OTHERS.includes(name), 'is a word with another meaning for the network of a container');

const shape = z.strictObject({
  driver: z.enum(['bridge']).optional(),
  subnet: z.union([z.string(), z.array(z.string())]).optional(),
  gateway: z.string().optional(),
  range: z.string().optional(),
  internal: z.boolean().optional(),
  ipv6: z.boolean().optional(),
  mtu: z.int().min(68).max(65_535).optional(),
  labels: z.record(text, text).optional(),
  persist: z.boolean().optional(),
});

/** @throws NacelleError `ERR_INVALID_OPTION` */
export function parseNetworkOptions(given: unknown): ParsedNetwork {
  const {
    subnet = [],
    gateway,
    range,
    internal = false,
    ipv6 = false,
    mtu,
    labels = {},
    persist = false,
  } = parseOptions(shape, given, 'options');
  const subnets = (typeof subnet === 'string' ? [subnet] : subnet).map((value) => readSubnet(value));
  const [four, six] = ([4, 6] as const).map((family) => subnets.filter((one) => one.family === family));
  if (!four || !six || four.length > 1 || six.length > 1) throw invalidOption('subnet', 'has two of one family: a network has one at most');
  const parsed = { ipv4: four[0] ?? null, ipv6: six[0] ?? null };
  const wantsIpv6 = ipv6 || parsed.ipv6 !== null;
  if (wantsIpv6 && mtu !== undefined && mtu < 1280) throw invalidOption('mtu', `must be at least 1280 with IPv6, not ${mtu}`);
  if (parsed.ipv4 && parsed.ipv6 && hostBits(parsed.ipv6) < hostBits(parsed.ipv4)) {
    throw invalidOption(
      'subnet',
      `has fewer addresses in ${parsed.ipv6.text} than in ${parsed.ipv4.text}: a container has the same number in both`,
    );
  }
  const first = parsed.ipv4 ?? parsed.ipv6;
  return {
    ...parsed,
    picksIpv6: ipv6 && parsed.ipv6 === null,
    gateway: gateway === undefined ? null : readGateway(gateway, first),
    range: range === undefined ? null : readRange(range, first),
    internal,
    mtu: mtu ?? null,
    labels,
    persist,
  };
}

function readSubnet(value: string): Cidr {
  const cidr = parseSubnet(value, 'subnet');
  if (lastNumber(cidr) < 2n) throw invalidOption('subnet', `is ${value}, which has no two addresses for links`);
  return cidr;
}

/** As {@link parseCidr}, for a subnet: its own address has no bits for a link, and need be none that a link can have. */
function parseSubnet(value: string, option: 'subnet' | 'range'): Cidr {
  const cidr = parseCidr(value);
  if (typeof cidr === 'string') throw invalidOption(option, cidr);
  const subnet = subnetOf(cidr);
  if (subnet.text !== cidr.text) throw invalidOption(option, `is ${value}, an address in the subnet ${subnet.text}: give the subnet`);
  return subnet;
}

function readGateway(value: string, subnet: Cidr | null): Address {
  const address = parseAddress(value);
  if (typeof address === 'string') throw invalidOption('gateway', address);
  if (subnet === null) throw invalidOption('gateway', 'needs subnet: it is an address in it');
  const number = numberIn(subnet, address);
  if (number === null || number < 1n || number > lastNumber(subnet)) {
    throw invalidOption('gateway', `is ${value}, which no link in ${subnet.text} can have`);
  }
  return address;
}

function readRange(value: string, subnet: Cidr | null): Cidr {
  const range = parseSubnet(value, 'range');
  if (subnet === null) throw invalidOption('range', 'needs subnet: it is a part of it');
  if (numberIn(subnet, range) === null || range.prefix < subnet.prefix) {
    throw invalidOption('range', `is ${value}, which is no part of ${subnet.text}`);
  }
  return range;
}

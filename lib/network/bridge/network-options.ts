import * as z from 'zod';
import { invalidOption } from '../../errors.js';
import { text } from '../../options/common-schemas.js';
import { parseOptions } from '../../options/parse-options.js';
import { type Address, type Cidr, known, parseAddress, parseCidr } from '../address.js';
import { type CniDriver, cniDriver } from '../cni/plugin-network.js';
import { hostBits, lastNumber, numberIn, overlaps, subnetOf } from '../ipam/subnet.js';
import { type DriverChoice, driverShape, readDriver } from './driver-options.js';

/** Options of `Network.create`. */
export interface NetworkOptions {
  /**
   * What the network's packets go through. Default 'bridge': a bridge of the kernel's, with this machine at the gateway's address. 'vxlan': such
   * a bridge on each of several hosts, with tunnels between them (RFC 7348). 'macvlan': containers are on the network of one of this machine's
   * links, as if they were machines there (ip-link(8)), and the gateway is a router there. 'ipvlan': so too, with the link's own MAC address
   * (Documentation/networking/ipvlan.rst). `{ cni }`: plugins of CNI make the links of containers, and choose their addresses (docs/cni.md); of the
   * other options it has `labels` alone.
   */
  readonly driver?: 'bridge' | 'macvlan' | 'ipvlan' | 'vxlan' | CniDriver | undefined;
  /**
   * In CIDR notation, one of a family at most: '10.1.0.0/24', ['10.1.0.0/24', 'fd00:1::/64']. Default: a free /24 of 10.89.0.0/16,
   * 10.90.0.0/15, 10.92.0.0/14, 10.96.0.0/11 and 10.128.0.0/9.
   */
  readonly subnet?: string | readonly string[] | undefined;
  /** This machine's address in the first subnet; with macvlan and ipvlan that of a router there. Default: the subnet's first. */
  readonly gateway?: string | undefined;
  /** The part of the first subnet from which containers get addresses that don't ask for one. Default: all of it. */
  readonly range?: string | undefined;
  /**
   * The name of a link of this machine. macvlan, ipvlan: whose children the containers' links are, always needed. vxlan: through which the other
   * hosts are reached; default: as the routes say.
   */
  readonly parent?: string | undefined;
  /**
   * macvlan: how children of a link reach each other (ip-link(8)): 'bridge', directly (default), 'private', not at all, 'vepa', by the
   * switch. ipvlan: what goes by the link, 'l2', frames (default), 'l3', packets, 'l3s', packets that pass this machine's rules.
   */
  readonly mode?: 'bridge' | 'private' | 'vepa' | 'l2' | 'l3' | 'l3s' | undefined;
  /** macvlan: this machine has a link of its own in the network, and routes to its containers, which else can't reach this machine. Default false. */
  readonly hostAccess?: boolean | undefined;
  /** vxlan: the network's number on all of its hosts, 1 to 16,777,215. */
  readonly vni?: number | undefined;
  /** vxlan: addresses of the other hosts, all of IPv4 or all of IPv6. This host's own may be among them. Default none: `learn` tells of others. */
  readonly peers?: readonly string[] | undefined;
  /**
   * vxlan: the own addresses in the network, in its first subnet, of the hosts of `peers`, in their order: what each has as `gateway`. They are given to no container,
   * and the option `egress` of a container needs them. Default: they are not known.
   */
  readonly peerGateways?: readonly string[] | undefined;
  /** No default route, and nothing passes its border: containers reach each other and this machine. Default false. */
  readonly internal?: boolean | undefined;
  /** A random subnet of unique local addresses (RFC 4193), where `subnet` has none of IPv6. Default false. */
  readonly ipv6?: boolean | undefined;
  /**
   * Bytes of a packet, from 68, or 1,280 with IPv6, to 65,535. Default: with macvlan and ipvlan that of the parent; with a bridge that of the link
   * with this machine's default route, or 1500; with vxlan that of the parent, or else of the link with the default route, less 50, or less 70 over IPv6.
   * With macvlan, ipvlan and vxlan the default is also the most.
   */
  readonly mtu?: number | undefined;
  /** Words of the caller's own. Default none. */
  readonly labels?: Readonly<Record<string, string>> | undefined;
  /** The bridge, or what else this machine has of the network, is made at once and stays without containers until the network is removed, or the machine goes down. Default false. */
  readonly persist?: boolean | undefined;
}

/** Checked, with subnets and addresses read. */
export interface ParsedNetwork {
  readonly choice: DriverChoice;
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
  ...driverShape,
  subnet: z.union([z.string(), z.array(z.string())]).optional(),
  gateway: z.string().optional(),
  range: z.string().optional(),
  internal: z.boolean().optional(),
  ipv6: z.boolean().optional(),
  mtu: z.int().min(68).max(65_535).optional(),
  labels: z.record(text, text).optional(),
  persist: z.boolean().optional(),
});

/** A network that plugins of CNI make. */
export interface ParsedPluginNetwork {
  readonly driver: z.output<typeof cniDriver>;
  readonly labels: Readonly<Record<string, string>>;
}

const ofPlugins = z.undefined({ error: 'is none of the driver cni: its plugins have such settings in their configuration' }).optional();
const pluginNetwork = z.strictObject({
  driver: cniDriver,
  labels: shape.shape.labels,
  ...{ subnet: ofPlugins, gateway: ofPlugins, range: ofPlugins, ipv6: ofPlugins, internal: ofPlugins, mtu: ofPlugins, persist: ofPlugins },
  ...{ parent: ofPlugins, mode: ofPlugins, hostAccess: ofPlugins, vni: ofPlugins, peers: ofPlugins, peerGateways: ofPlugins },
});

/** `null`: the options are of another driver. @throws NacelleError `ERR_INVALID_OPTION` */
export function parsePluginNetwork(given: unknown): ParsedPluginNetwork | null {
  if (typeof given !== 'object' || given === null || !('driver' in given) || typeof given.driver !== 'object') return null;
  const { driver, labels: words = {} } = parseOptions(pluginNetwork, given, 'options');
  return { driver, labels: words };
}

/** @throws NacelleError `ERR_INVALID_OPTION` */
export function parseNetworkOptions(given: unknown): ParsedNetwork {
  const options = parseOptions(shape, given, 'options');
  const { subnet = [], gateway, range, internal = false, ipv6 = false, mtu, labels = {}, persist = false } = options;
  const choice = readDriver(options);
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
  if (choice.driver === 'vxlan')
    for (const [place, one] of (choice.peerGateways ?? []).entries()) readGateway(one.text, first, `peerGateways[${place}]`);
  return {
    choice,
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
  const own = KERNELS.find((one) => overlaps(cidr, known(parseCidr(one))));
  if (own) throw invalidOption('subnet', `is ${value}, which overlaps ${own}: the kernel sends nothing of that from a link to another`);
  return cidr;
}

/** The loopback's addresses, and those that each link gives itself. They stand in no table of routes that is looked at for clashes. */
const KERNELS = ['127.0.0.0/8', '::1/128', 'fe80::/10'];

/** As {@link parseCidr}, for a subnet: its own address has no bits for a link, and need be none that a link can have. */
function parseSubnet(value: string, option: 'subnet' | 'range'): Cidr {
  const cidr = parseCidr(value);
  if (typeof cidr === 'string') throw invalidOption(option, cidr);
  const subnet = subnetOf(cidr);
  if (subnet.text !== cidr.text) throw invalidOption(option, `is ${value}, an address in the subnet ${subnet.text}: give the subnet`);
  return subnet;
}

function readGateway(value: string, subnet: Cidr | null, option = 'gateway'): Address {
  const address = parseAddress(value);
  if (typeof address === 'string') throw invalidOption(option, address);
  if (subnet === null) throw invalidOption(option, 'needs subnet: it is an address in it');
  const number = numberIn(subnet, address);
  if (number === null || number < 1n || number > lastNumber(subnet)) {
    throw invalidOption(option, `is ${value}, which no link in ${subnet.text} can have`);
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

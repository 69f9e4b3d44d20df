import * as z from 'zod';
import { invalidOption, NacelleError } from '../../errors.js';
import { type Address, type Cidr, hostOf, parseAddress, parseCidr, parseMac } from '../address.js';
import { pluginShape } from '../cni/plugin-network.js';
import { type NumberRange, numbersAfter } from '../ipam/address-numbers.js';
import { freeSubnet, localSubnet } from '../ipam/pools.js';
import { addressAt, lastNumber, numberIn, overlaps } from '../ipam/subnet.js';
import type { Remote } from '../vxlan/tunnel-plan.js';
import type { DriverChoice } from './driver-options.js';
import type { ParsedNetwork } from './network-options.js';

const subnets = z.array(z.strictObject({ subnet: z.string(), gateway: z.string() }));

/** What every network has. */
const common = {
  /** IPv4's first. A container has the same number in each of them. */
  subnets: subnets.min(1),
  range: z.string().nullable(),
  internal: z.boolean(),
  /** Bytes; `null`: that of the link with the default route when the bridge is made. */
  mtu: z.number().nullable(),
  labels: z.record(z.string(), z.string()),
  persist: z.boolean(),
  createdAt: z.iso.datetime(),
};

/** What a host of a vxlan network was told of a container on another one. */
const learned = z.strictObject({ address: z.string(), mac: z.string(), host: z.string(), names: z.array(z.string()) });

/** What is written down of a network in the store. */
export const networkSchema = z.discriminatedUnion('driver', [
  z.strictObject({ driver: z.literal('bridge'), ...common }),
  z.strictObject({
    driver: z.literal('vxlan'),
    vni: z.number(),
    peers: z.array(z.string()),
    /** One for each of the peers, in the first subnet; missing: they are not known. */
    peerGateways: z.array(z.string()).optional(),
    learned: z.array(learned),
    parent: z.string().nullable(),
    ...common,
  }),
  z.strictObject({
    driver: z.literal('macvlan'),
    parent: z.string(),
    mode: z.enum(['bridge', 'private', 'vepa']),
    hostAccess: z.boolean(),
    ...common,
  }),
  z.strictObject({ driver: z.literal('ipvlan'), parent: z.string(), mode: z.enum(['l2', 'l3', 'l3s']), ...common }),
]);

export type NetworkRecord = z.output<typeof networkSchema>;
/** What is written down of a network that plugins make: nacelle gives no addresses there. */
export type PluginRecord = z.output<typeof pluginRecord>;
export type WrittenRecord = NetworkRecord | PluginRecord;

const pluginRecord = z.strictObject({
  driver: z.literal('cni'),
  ...pluginShape,
  ...common,
  subnets: subnets.max(0),
});
/** A network of the children of a link. */
export type ChildRecord = Extract<NetworkRecord, { driver: 'macvlan' | 'ipvlan' }>;
export type VxlanRecord = Extract<NetworkRecord, { driver: 'vxlan' }>;

/** What subnets are picked by. */
export interface Surroundings {
  /** Subnets of others, with the words for each. */
  readonly taken: readonly TakenSubnet[];
  /** 5 bytes. */
  readonly random: Uint8Array;
  readonly createdAt: Date;
}

export interface TakenSubnet {
  readonly subnet: Cidr;
  /** 'the network shop', 'this machine'. */
  readonly whose: string;
}

/**
 * Picks the subnets that are not given, and checks those that are. Pure.
 *
 * @throws NacelleError `ERR_INVALID_OPTION` for a subnet that others have; `ERR_NO_SUBNET` when all of the pools have an owner
 */
export function settleNetwork(parsed: ParsedNetwork, { taken, random, createdAt }: Surroundings): NetworkRecord {
  for (const given of [parsed.ipv4, parsed.ipv6]) {
    const clash = given && clashOf(given, taken);
    if (clash) throw invalidOption('subnet', `${given.text} overlaps ${clash.subnet.text}, which ${clash.whose} has`);
  }
  const ipv4 = parsed.ipv4 ?? (parsed.ipv6 === null ? pickIpv4(taken) : null);
  const ipv6 = parsed.ipv6 ?? (parsed.picksIpv6 ? localSubnet(random) : null);
  const subnets = [ipv4, ipv6].filter((subnet) => subnet !== null);
  const [first] = subnets;
  const number = parsed.gateway && first ? (numberIn(first, parsed.gateway) ?? 1n) : 1n;
  const record: NetworkRecord = {
    ...chosenDriver(parsed.choice),
    subnets: subnets.map((subnet) => ({ subnet: subnet.text, gateway: addressAt(subnet, number).text })),
    range: parsed.range?.text ?? null,
    internal: parsed.internal,
    mtu: parsed.mtu,
    labels: { ...parsed.labels },
    persist: parsed.persist,
    createdAt: createdAt.toISOString(),
  };
  const elsewhere = numbersElsewhere(record, []);
  if (parsed.range && !hasOther(numbersAfter(null, numbersOf(record)), elsewhere)) {
    const beside = elsewhere.size > 0 ? 'those of the subnet, its gateway and this machine' : 'those of the subnet and its gateway';
    throw invalidOption('range', `is ${parsed.range.text}, which has no address for a container beside ${beside}`);
  }
  return record;
}

function chosenDriver(choice: DriverChoice) {
  if (choice.driver !== 'vxlan') return choice;
  const { peerGateways, ...rest } = choice;
  const known = peerGateways === null ? {} : { peerGateways: peerGateways.map(({ text }) => text) };
  return { ...rest, peers: choice.peers.map(({ text }) => text), learned: [], ...known };
}

export function clashOf(subnet: Cidr, taken: readonly TakenSubnet[]): TakenSubnet | null {
  return taken.find((other) => overlaps(subnet, other.subnet)) ?? null;
}

function hasOther(numbers: Iterable<bigint>, than: ReadonlySet<bigint>): boolean {
  for (const number of numbers) if (!than.has(number)) return true;
  return false;
}

function pickIpv4(taken: readonly TakenSubnet[]): Cidr {
  const subnet = freeSubnet(taken.map((other) => other.subnet));
  if (subnet) return subnet;
  throw new NacelleError('make a network: every subnet of the pools overlaps one that others have. Give the option subnet', {
    code: 'ERR_NO_SUBNET',
  });
}

/** A subnet of a network, and this machine's address in it. */
interface ReadSubnet {
  readonly subnet: Cidr;
  readonly gateway: Cidr;
}

/** What was read of records: each container that joins a network asks for the same again. */
const readBefore = new WeakMap<NetworkRecord['subnets'], readonly ReadSubnet[]>();

function readSubnets({ subnets }: Pick<NetworkRecord, 'subnets'>): readonly ReadSubnet[] {
  const before = readBefore.get(subnets);
  if (before !== undefined) return before;
  const read = subnets.map(({ subnet: text, gateway }) => {
    const subnet = noted(parseCidr(text));
    return { subnet, gateway: noted(parseCidr(`${gateway}/${subnet.prefix}`)) };
  });
  readBefore.set(subnets, read);
  return read;
}

/** The subnets of a network, as they are read from what is written down. */
export function subnetsOf(record: Pick<NetworkRecord, 'subnets'>): Cidr[] {
  return readSubnets(record).map(({ subnet }) => subnet);
}

/** This machine's address in each subnet. */
export function gatewaysOf(record: Pick<NetworkRecord, 'subnets'>): Cidr[] {
  return readSubnets(record).map(({ gateway }) => gateway);
}

export function isChildRecord(record: WrittenRecord): record is ChildRecord {
  return record.driver === 'macvlan' || record.driver === 'ipvlan';
}

/** The other hosts of a network. */
export function peersOf({ peers }: Pick<VxlanRecord, 'peers'>): Address[] {
  return peers.map((host) => noted(parseAddress(host)));
}

/** The own addresses of other hosts in a network, in each of its subnets; `null`: they are not known. */
export function peerGatewaysOf(record: NetworkRecord): Address[] | null {
  if (record.driver !== 'vxlan' || record.peerGateways === undefined) return null;
  const subnets = subnetsOf(record);
  const [first] = subnets;
  if (!first) throw damaged('it has no subnet');
  return record.peerGateways.flatMap((text) => {
    const number = numberIn(first, noted(parseAddress(text)));
    if (number === null) throw damaged(`${text} is not in ${first.text}`);
    return subnets.map((subnet) => addressAt(subnet, number));
  });
}

/** The containers on other hosts that a network was told of. */
export function remotesOf({ learned }: Pick<VxlanRecord, 'learned'>): Remote[] {
  return learned.map(({ address, mac, host, names }) => ({
    address: noted(parseAddress(address)),
    mac: noted(parseMac(mac)),
    host: noted(parseAddress(host)),
    names,
  }));
}

/**
 * The numbers that no container here gets: those of other hosts and of containers there, and of this machine.
 *
 * @param own this machine's addresses
 */
export function numbersElsewhere(record: NetworkRecord, own: readonly Address[]): ReadonlySet<bigint> {
  const subnets = subnetsOf(record);
  const of = (addresses: readonly Address[]): bigint[] =>
    addresses.flatMap((address) => subnets.map((subnet) => numberIn(subnet, address)).filter((number) => number !== null));
  if (record.driver === 'vxlan')
    return new Set(of([...remotesOf(record).map(({ address }) => address), ...(peerGatewaysOf(record) ?? [])]));
  if (isChildRecord(record)) return new Set([...of(own), ...of(hostAddressesOf(record))]);
  return new Set();
}

/** This machine's addresses in a network of its parent's, one of each subnet: the last that containers would get. None without `hostAccess`. */
export function hostAddressesOf(record: NetworkRecord): Address[] {
  if (record.driver !== 'macvlan' || !record.hostAccess) return [];
  const { last, gateway } = numbersOf(record);
  return subnetsOf(record).map((subnet) => addressAt(subnet, last === gateway ? last - 1n : last));
}

/** The numbers that containers get, by themselves or, with `all`, when they ask for one. */
export function numbersOf(record: Pick<NetworkRecord, 'subnets' | 'range'>, { all = false } = {}): NumberRange {
  const [read] = readSubnets(record);
  if (!read) throw damaged('it has no subnet');
  const { subnet } = read;
  const gateway = numberIn(subnet, read.gateway);
  if (gateway === null) throw damaged(`${hostOf(read.gateway.text)} is not in ${subnet.text}`);
  const whole = { first: 1n, last: lastNumber(subnet), gateway };
  if (record.range === null || all) return whole;
  const range = noted(parseCidr(record.range));
  const start = numberIn(subnet, range) ?? 0n;
  const end = start + (1n << BigInt(8 * range.bytes.length - range.prefix)) - 1n;
  return { first: start > 1n ? start : 1n, last: end < whole.last ? end : whole.last, gateway };
}

/**
 * What is written down of a network. Pure.
 *
 * @throws what is wrong with it
 */
export function parseNetwork(text: string): NetworkRecord {
  const record = networkSchema.parse(JSON.parse(text));
  gatewaysOf(record);
  numbersOf(record);
  if (record.driver === 'vxlan') {
    peersOf(record);
    remotesOf(record);
    peerGatewaysOf(record);
  }
  return record;
}

/** As {@link parseNetwork}, of a network of whichever driver. */
export function parseWritten(text: string): WrittenRecord {
  const value: unknown = JSON.parse(text);
  const isOfPlugins = typeof value === 'object' && value !== null && 'driver' in value && value.driver === 'cni';
  return isOfPlugins ? pluginRecord.parse(value) : parseNetwork(text);
}

function noted<T extends object>(read: T | string): T {
  if (typeof read === 'string') throw damaged(read);
  return read;
}

function damaged(problem: string): NacelleError {
  return new NacelleError(`what is written down of a network is damaged: ${problem}`, { code: 'ERR_RECORD' });
}

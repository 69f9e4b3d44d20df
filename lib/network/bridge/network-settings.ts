import * as z from 'zod';
import { invalidOption, NacelleError } from '../../errors.js';
import { type Cidr, parseAddress, parseCidr } from '../address.js';
import { type NumberRange, numbersAfter } from '../ipam/address-numbers.js';
import { freeSubnet, localSubnet } from '../ipam/pools.js';
import { addressAt, lastNumber, numberIn, overlaps } from '../ipam/subnet.js';
import type { ParsedNetwork } from './network-options.js';

/** What is written down of a network in the store. */
export const networkSchema = z.strictObject({
  driver: z.literal('bridge'),
  /** IPv4's first. A container has the same number in each of them. */
  subnets: z.array(z.strictObject({ subnet: z.string(), gateway: z.string() })).min(1),
  range: z.string().nullable(),
  internal: z.boolean(),
  /** Bytes; `null`: that of the link with the default route when the bridge is made. */
  mtu: z.number().nullable(),
  labels: z.record(z.string(), z.string()),
  persist: z.boolean(),
  createdAt: z.iso.datetime(),
});

export type NetworkRecord = z.output<typeof networkSchema>;

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
    driver: 'bridge',
    subnets: subnets.map((subnet) => ({ subnet: subnet.text, gateway: addressAt(subnet, number).text })),
    range: parsed.range?.text ?? null,
    internal: parsed.internal,
    mtu: parsed.mtu,
    labels: { ...parsed.labels },
    persist: parsed.persist,
    createdAt: createdAt.toISOString(),
  };
  if (parsed.range && numbersAfter(null, numbersOf(record)).next().done) {
    throw invalidOption(
      'range',
      `is ${parsed.range.text}, which has no address for a container beside those of the subnet and its gateway`,
    );
  }
  return record;
}

export function clashOf(subnet: Cidr, taken: readonly TakenSubnet[]): TakenSubnet | null {
  return taken.find((other) => overlaps(subnet, other.subnet)) ?? null;
}

function pickIpv4(taken: readonly TakenSubnet[]): Cidr {
  const subnet = freeSubnet(taken.map((other) => other.subnet));
  if (subnet) return subnet;
  throw new NacelleError('make a network: every subnet of the pools overlaps one that others have. Give the option subnet', {
    code: 'ERR_NO_SUBNET',
  });
}

/** The subnets of a network, as they are read from what is written down. */
export function subnetsOf({ subnets }: Pick<NetworkRecord, 'subnets'>): Cidr[] {
  return subnets.map(({ subnet }) => noted(parseCidr(subnet)));
}

/** This machine's address in each subnet. */
export function gatewaysOf({ subnets }: Pick<NetworkRecord, 'subnets'>): Cidr[] {
  return subnets.map(({ subnet, gateway }) => noted(parseCidr(`${gateway}/${noted(parseCidr(subnet)).prefix}`)));
}

/** The numbers that containers get, by themselves or, with `all`, when they ask for one. */
export function numbersOf(record: Pick<NetworkRecord, 'subnets' | 'range'>, { all = false } = {}): NumberRange {
  const [subnet] = subnetsOf(record);
  const [entry] = record.subnets;
  if (!subnet || !entry) throw damaged('it has no subnet');
  const gateway = numberIn(subnet, noted(parseAddress(entry.gateway)));
  if (gateway === null) throw damaged(`${entry.gateway} is not in ${subnet.text}`);
  const whole = { first: 1n, last: lastNumber(subnet), gateway };
  if (record.range === null || all) return whole;
  const range = noted(parseCidr(record.range));
  const start = numberIn(subnet, range) ?? 0n;
  const end = start + (1n << BigInt(8 * range.bytes.length - range.prefix)) - 1n;
  return { first: start > 1n ? start : 1n, last: end < whole.last ? end : whole.last, gateway };
}

function noted<T extends object>(read: T | string): T {
  if (typeof read === 'string') throw damaged(read);
  return read;
}

function damaged(problem: string): NacelleError {
  return new NacelleError(`what is written down of a network is damaged: ${problem}`, { code: 'ERR_RECORD' });
}

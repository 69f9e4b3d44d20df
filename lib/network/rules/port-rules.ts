import { type Address, describe } from '../address.js';
import { arpSaddrEther, arpSaddrIp, etherSaddr, icmpv6Type, iif, ip6Saddr, ipSaddr, neighbourTarget } from '../nftables/fields.js';
import type { Request } from '../nftables/nfnetlink.js';
import { addElements, addSet, addVerdicts, deleteElements } from '../nftables/set-requests.js';
import { accept, drop, equals, family, inSet, notInSet, verdictOf } from '../nftables/statements.js';
import type { Chain, NamedSet, Table, VerdictMap } from '../nftables/table.js';
import { addChain, addRule } from '../nftables/table-requests.js';
import { etherAddr, icmpv6, ifindex, ipv4Addr, ipv6Addr } from '../nftables/values.js';

// What a container may send. Its bridge port is known by its number, which is a random number of 30 bits: so a port that is no more
// harms nobody, and what one owner drops is never of another's container. Pure.

/** A bridge port, with what the container behind it has. */
export interface Port {
  readonly index: number;
  readonly mac: Uint8Array;
  readonly addresses: readonly Address[];
  /** It reaches the others of its network alone (confined-rules.ts). Default: no. */
  readonly isConfined?: boolean;
}

interface Guard {
  /** The ports of this owner's containers. */
  readonly ports: VerdictMap<['iface_index']>;
  readonly macs: NamedSet<['iface_index', 'ether_addr']>;
  readonly ipv4: NamedSet<['iface_index', 'ipv4_addr']>;
  readonly ipv6: NamedSet<['iface_index', 'ipv6_addr']>;
}

function guardOf(table: Table): Guard {
  return {
    ports: { table, name: 'ports', key: ['iface_index'], data: 'verdict' },
    macs: { table, name: 'macs', key: ['iface_index', 'ether_addr'] },
    ipv4: { table, name: 'ipv4', key: ['iface_index', 'ipv4_addr'] },
    ipv6: { table, name: 'ipv6', key: ['iface_index', 'ipv6_addr'] },
  };
}

/** The rules for all ports; which those are comes by {@link portRequests}. */
export function guardRequests(table: Table): Request[] {
  const { ports } = guardOf(table);
  const prerouting = preroutingOf(table);
  return [addSet(ports), ...chainRequests(table), addChain(prerouting), addRule(prerouting, verdictOf([iif], ports))];
}

const GUARD = 'guard';

function preroutingOf(table: Table): Chain {
  return { table, name: 'prerouting', base: { type: 'filter', hook: 'prerouting', priority: -300, policy: 'accept' } };
}

/**
 * What a frame of a container has to be: it has the container's MAC address and is ARP, IPv4 or IPv6, from its own addresses and about these
 * alone; no container is a router of IPv6. Which groups of IPv6 it listens to (RFC 3810) is told to nobody: the bridge sends what belongs to a group to
 * all ports, and each report as well, of which each link that comes up has some: to five hundred others.
 */
function chainRequests(table: Table): Request[] {
  const { macs, ipv4, ipv6 } = guardOf(table);
  const guard: Chain = { table, name: GUARD };
  return [
    addSet(macs),
    addSet(ipv4),
    addSet(ipv6),
    addChain(guard),
    addRule(guard, notInSet([iif, etherSaddr], macs), drop),
    addRule(guard, inSet([iif, ipSaddr], ipv4), accept),
    addRule(guard, notInSet([iif, arpSaddrEther], macs), drop),
    addRule(guard, inSet([iif, arpSaddrIp], ipv4), accept),
    addRule(guard, family('ip6'), equals(icmpv6Type, icmpv6('nd-router-advert')), drop),
    addRule(guard, family('ip6'), equals(icmpv6Type, icmpv6('nd-redirect')), drop),
    addRule(guard, family('ip6'), equals(icmpv6Type, icmpv6('nd-neighbor-advert')), notInSet([iif, neighbourTarget], ipv6), drop),
    addRule(guard, family('ip6'), equals(icmpv6Type, icmpv6('mld2-listener-report')), drop),
    addRule(guard, inSet([iif, ip6Saddr], ipv6), accept),
    addRule(guard, drop),
  ];
}

/** Forgets ports, and guards others, of which one may have the number of one that goes. */
export function portRequests(table: Table, change: { readonly added: readonly Port[]; readonly removed: readonly Port[] }): Request[] {
  const { ports } = guardOf(table);
  const { added, removed } = change;
  return [
    ...deleteElements(
      ports,
      removed.map(({ index }) => [ifindex(index)]),
    ),
    ...addresses(table, removed, deleteElements),
    ...addresses(table, added, addElements),
    ...addVerdicts(
      ports,
      added.map(({ index }) => ({ key: [ifindex(index)], verdict: { goto: GUARD } })),
    ),
  ];
}

/** Adds or deletes what ports may send as their own. */
function addresses(table: Table, ports: readonly Port[], change: typeof addElements): Request[] {
  const { macs, ipv4, ipv6 } = guardOf(table);
  const keys = keysOf(ports);
  return [...change(macs, keys.macs), ...change(ipv4, keys.ipv4), ...change(ipv6, keys.ipv6)];
}

function keysOf(all: readonly Port[]) {
  const pairs = all.flatMap(({ index, mac, addresses }) => [...addresses, linkLocalOf(mac)].map((address) => ({ index, address })));
  return {
    macs: all.map(({ index, mac }) => [ifindex(index), etherAddr(mac)] as const),
    ipv4: pairs.flatMap(({ index, address }) => (address.family === 4 ? [[ifindex(index), ipv4Addr(address)] as const] : [])),
    ipv6: pairs.flatMap(({ index, address }) => (address.family === 6 ? [[ifindex(index), ipv6Addr(address)] as const] : [])),
  };
}

/** The address that a link of IPv6 gives itself: RFC 4291, appendix A. */
export function linkLocalOf(mac: Uint8Array): Address {
  return describe(linkLocalBytes(mac));
}

export function linkLocalBytes(mac: Uint8Array): Uint8Array {
  const [first = 0, second = 0, third = 0, ...rest] = mac;
  return Uint8Array.of(0xfe, 0x80, 0, 0, 0, 0, 0, 0, first ^ 2, second, third, 0xff, 0xfe, ...rest);
}

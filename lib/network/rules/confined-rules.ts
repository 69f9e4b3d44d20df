import { type Address, type Cidr, describe, withPrefix } from '../address.js';
import { addressAt, lastNumber } from '../ipam/subnet.js';
import { ctDirection, icmpv6Type, iif, ip6Saddr, ipSaddr, oif } from '../nftables/fields.js';
import type { Request } from '../nftables/nfnetlink.js';
import { addElements, addSet, addVerdicts, deleteElements } from '../nftables/set-requests.js';
import {
  accept,
  daddrIn,
  drop,
  equals,
  family,
  goTo,
  hasStatus,
  inSet,
  inState,
  type Statement,
  verdictOf,
} from '../nftables/statements.js';
import type { Chain, NamedSet, Table, VerdictMap } from '../nftables/table.js';
import { addChain, addRule } from '../nftables/table-requests.js';
import { ctDir, icmpv6, ifindex, ipv4Addr, ipv6Addr } from '../nftables/values.js';
import type { RuledNetwork } from './network-rules.js';
import { linkLocalOf, type Port } from './port-rules.js';

// The border of a container with a list of where it may connect to (docs/egress.md), on networks with bridges: what its own network namespace does
// for the list is under the hand of whoever has rights there, and these rules are not. By its port such a container reaches the others of its
// network, and answers whoever has connected to it. Pure.
//
//   port ──▶ another port of the bridge      table of bridges: to addresses of the network alone, so that nobody there routes for it
//        ──▶ this machine, or by way of it   table inet: answers alone; the port's packets are known by their addresses, which are guarded
//
// The chains are made when the first such port comes: who has none pays nothing.

interface ConfinedSets {
  readonly ipv4: NamedSet<['iface_index', 'ipv4_addr']>;
  readonly ipv6: NamedSet<['iface_index', 'ipv6_addr']>;
}

function setsOf(table: Table): ConfinedSets {
  return {
    ipv4: { table, name: 'confined_ipv4', key: ['iface_index', 'ipv4_addr'] },
    ipv6: { table, name: 'confined_ipv6', key: ['iface_index', 'ipv6_addr'] },
  };
}

/** What comes back on a connection that another has begun. */
const ANSWERS = [equals(ctDirection, ctDir('reply')), inState('established')] as const;

/** By which neighbours of IPv6 find each other: RFC 4861. */
const NEIGHBOURS = [icmpv6('nd-neighbor-solicit'), icmpv6('nd-neighbor-advert')];

/** Rules for what this machine gets from confined containers of a network, and forwards for them; of whom comes by {@link confinedAddresses}. */
export function confineRouted(table: Table, { index }: RuledNetwork): Request[] {
  const { ipv4, ipv6 } = setsOf(table);
  const leaves: Chain = { table, name: 'confined_leaves' };
  const arrives: Chain = { table, name: 'confined_arrives' };
  const bridge = ifindex(index);
  const confined = (to: Chain, hook: 'input' | 'forward'): Request[] => {
    const base: Chain = { table, name: `confined_${hook}`, base: { type: 'filter', hook, priority: 0, policy: 'accept' } };
    return [
      addChain(base),
      addRule(base, equals(iif, bridge), inSet([iif, ipSaddr], ipv4), goTo(to.name)),
      addRule(base, equals(iif, bridge), inSet([iif, ip6Saddr], ipv6), goTo(to.name)),
    ];
  };
  return [
    ...[ipv4, ipv6].map((set) => addSet(set)),
    addChain(leaves),
    addRule(leaves, ...ANSWERS, accept),
    // a published port of this machine is no way, also where it leads back
    addRule(leaves, hasStatus('dnat'), drop),
    // with br_netfilter a frame from one of its containers to another comes here too
    addRule(leaves, equals(oif, bridge), accept),
    addRule(leaves, drop),
    addChain(arrives),
    addRule(arrives, ...ANSWERS, accept),
    ...NEIGHBOURS.map((type) => addRule(arrives, family('ip6'), equals(icmpv6Type, type), accept)),
    addRule(arrives, drop),
    ...confined(leaves, 'forward'),
    ...confined(arrives, 'input'),
  ];
}

/** The addresses by which confined containers of a network are known. */
export function confinedAddresses(
  table: Table,
  { index }: Pick<RuledNetwork, 'index'>,
  { added, removed }: { readonly added: readonly Address[]; readonly removed: readonly Address[] },
): Request[] {
  const { ipv4, ipv6 } = setsOf(table);
  const bridge = ifindex(index);
  const of4 = (all: readonly Address[]) => all.filter((one) => one.family === 4).map((one) => [bridge, ipv4Addr(one)] as const);
  const of6 = (all: readonly Address[]) => all.filter((one) => one.family === 6).map((one) => [bridge, ipv6Addr(one)] as const);
  return [
    ...deleteElements(ipv4, of4(removed)),
    ...deleteElements(ipv6, of6(removed)),
    ...addElements(ipv4, of4(added)),
    ...addElements(ipv6, of6(added)),
  ];
}

/** All addresses that a port may send from. */
export function addressesOf({ addresses, mac }: Port): Address[] {
  return [...addresses.map(({ bytes }) => describe(bytes)), linkLocalOf(mac)];
}

function portsOf(table: Table): VerdictMap<['iface_index']> {
  return { table, name: 'confined', key: ['iface_index'], data: 'verdict' };
}

/** Rules for what goes from confined ports to other ports of the bridge; which ports those are comes by {@link confinedPorts}. */
export function confineBridged(table: Table, network: RuledNetwork): Request[] {
  const ports = portsOf(table);
  const base = bridgedBase(table);
  return [addSet(ports), ...amongPeers(table, network), addChain(base), addRule(base, verdictOf([iif], ports))];
}

export function confinedPorts(
  table: Table,
  { added, removed }: { readonly added: readonly Port[]; readonly removed: readonly Port[] },
): Request[] {
  const ports = portsOf(table);
  return [
    ...addVerdicts(
      ports,
      added.map(({ index }) => ({ key: [ifindex(index)], verdict: { goto: CONFINED } })),
    ),
    ...deleteElements(
      ports,
      removed.map(({ index }) => [ifindex(index)]),
    ),
  ];
}

/** Rules for confined ports that stay the same. */
export function fixedConfinedRequests(
  tables: { readonly routed: Table; readonly bridged: Table },
  network: RuledNetwork,
  ports: readonly Port[],
): Request[] {
  const { routed, bridged } = tables;
  const base = bridgedBase(bridged);
  return [
    ...confineRouted(routed, network),
    ...confinedAddresses(routed, network, { added: ports.flatMap(addressesOf), removed: [] }),
    ...amongPeers(bridged, network),
    addChain(base),
    ...ports.map(({ index }) => addRule(base, equals(iif, ifindex(index)), goTo(CONFINED))),
  ];
}

const CONFINED = 'confined_peers';

function bridgedBase(table: Table): Chain {
  return { table, name: 'confined_forward', base: { type: 'filter', hook: 'forward', priority: 0, policy: 'accept' } };
}

/** Where neighbours are looked for (RFC 4861): to other addresses a message of theirs would be routed on as any packet is. */
const ON_LINK: readonly Cidr[] = [
  withPrefix(describe(Uint8Array.of(0xff, 0x02, ...Array<number>(14).fill(0))), 16),
  withPrefix(describe(Uint8Array.of(0xfe, 0x80, ...Array<number>(14).fill(0))), 10),
];

/**
 * Frames to the machine's own address go to its bridge, and are none of these. Other hosts of the network are behind a port as containers are: what is for their own
 * addresses, or for all in a subnet, would come to them.
 */
function amongPeers(table: Table, { subnets, gateways, peerGateways }: RuledNetwork): Request[] {
  const machines = [...gateways, ...(peerGateways ?? []), ...(peerGateways === undefined ? [] : subnets.flatMap(broadcastOf))];
  const chain: Chain = { table, name: CONFINED };
  const rule = (...statements: readonly Statement[]): Request => addRule(chain, ...statements);
  return [
    addChain(chain),
    rule(family('arp'), accept),
    ...NEIGHBOURS.flatMap((type) => ON_LINK.map((group) => rule(family('ip6'), equals(icmpv6Type, type), daddrIn(group), accept))),
    ...machines.map((address) => rule(daddrIn(withPrefix(address, address.family === 4 ? 32 : 128)), drop)),
    ...subnets.map((subnet) => rule(daddrIn(subnet), accept)),
    rule(drop),
  ];
}

/**
 * By which IPv4 reaches all in a subnet: its last address, and its first one, as machines of old had it (RFC 1122, 3.2.1.3). By the first one IPv6 reaches
 * the nearest router, which each of the hosts may be (RFC 4291, 2.6.1).
 */
function broadcastOf(subnet: Cidr): Address[] {
  if (subnet.family === 6) return [addressAt(subnet, 0n)];
  return [addressAt(subnet, 0n), addressAt(subnet, lastNumber(subnet) + 1n)];
}

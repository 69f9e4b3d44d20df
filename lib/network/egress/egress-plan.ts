import { NETLINK_NETFILTER, NETLINK_ROUTE } from '../../plan/constants.js';
import type { Slots } from '../../plan/plan.js';
import type { Slot, Step } from '../../plan/steps.js';
import { type Address, type Cidr, describe, withPrefix } from '../address.js';
import { subnetOf } from '../ipam/subnet.js';
import { KEYS, keep, kept, OWN_SLOTS } from '../live/kept-steps.js';
import { ctDirection, icmpv6Type, l4proto } from '../nftables/fields.js';
import type { Request } from '../nftables/nfnetlink.js';
import { batchStep } from '../nftables/owner-table-plan.js';
import { accept, daddrIn, daddrNotIn, differs, dnatTo, drop, equals, inState, protocol, type Statement } from '../nftables/statements.js';
import type { Chain, Table } from '../nftables/table.js';
import { addChain, addRule, createTable, deleteTable, haveTable } from '../nftables/table-requests.js';
import { ctDir, icmpv6, inetProto } from '../nftables/values.js';
import { hostAddress } from '../relay/host-ports.js';
import { deleteAddress, haveAddress } from '../rtnetlink.js';
import { deleteLocalRoute, haveLocalRoute } from '../rtnetlink-routes.js';
import { request } from '../veth-plan.js';

// A network namespace out of which nothing leads but what a list allows. Pure.
//
//   program ──question──▶ 127.0.0.11, which knows the names of the list alone, each with an address that stands for it
//   program ──TCP, to any address──▶ rule of the namespace ──▶ 198.18.0.1:1 ──▶ the shim's relay (addon/shim/egress/guide.h)
//
// All addresses are local that no link leads to, and all but 127.0.0.0/8, ::1 and those of its networks lead to the relay, so that what is not
// allowed is refused there, and told. Rules and addresses are no border: whoever changes them finds nothing else in the namespace, or, where the
// container is on networks, the border of its ports (lib/network/rules/confined-rules.ts).

/** Of the same block as the addresses that stand for names (addon/shim/egress/fake_addresses.h); they are local by its prefix. */
const IPV4 = withPrefix(describe(Uint8Array.of(198, 18, 0, 1)), 15);
/** 'nacelle' in ASCII, as a prefix of unique local addresses. */
const IPV6 = withPrefix(describe(Uint8Array.of(0xfd, 0x6e, 0x61, 0x63, 0x65, 0x6c, 0x6c, 0x65, 0, 0, 0, 0, 0, 0, 0, 1)), 128);
/** Whoever binds a port at all addresses of the container's does not want this one: tcpmux (RFC 1078). */
const PORT = 1;

const LOOPBACK = {
  4: withPrefix(describe(Uint8Array.of(127, 0, 0, 0)), 8),
  6: withPrefix(describe(Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1)), 128),
} as const;

const HOST = withPrefix(hostAddress, 32);
const LO = { name: 'lo', index: 1 };

const TABLE: Table = { family: 'inet', name: 'nacelle' };

const LEAD = 'lead connections to what the list allows';

/** For what is done while the container lives. */
const OWN: EgressSlots = { namespace: OWN_SLOTS.namespace, route: OWN_SLOTS.outside, netfilter: OWN_SLOTS.inside };

/** Where a container asks about names. */
export const EGRESS_RESOLV_CONF = 'nameserver 127.0.0.11\noptions ndots:0\n';

/** What a container reaches by its links, and not by its list. */
export interface EgressNetworks {
  /** Of its networks. */
  readonly subnets: readonly Cidr[];
  /** This machine's addresses there, which are no container's. */
  readonly gateways: readonly Address[];
}

/** Of its links. */
export function egressNetworks(
  links: readonly { readonly addresses: readonly Cidr[]; readonly gateways: readonly Address[] }[],
): EgressNetworks {
  return {
    subnets: links.flatMap(({ addresses }) => addresses.map(subnetOf)),
    gateways: links.flatMap(({ gateways }) => gateways),
  };
}

interface EgressOf {
  readonly hasIpv6: boolean;
  readonly networks: EgressNetworks;
  /** It can have networks: names there are asked for first. */
  readonly hasPeers: boolean;
}

/** Slots that are filled and closed again. */
interface EgressSlots {
  readonly namespace: Slot;
  readonly route: Slot;
  readonly netfilter: Slot;
}

/**
 * Steps that lead all connections out of a container's new network namespace to what its list allows.
 *
 * @param rules the list, as the shim reads it
 * @param of.isAgain the run before has had them, in a namespace of its own: what was put in their place since is done instead
 */
export function egressSteps(
  rules: readonly string[] | null,
  { slots, isAgain, ...of }: EgressOf & { readonly slots: Slots; readonly isAgain: boolean },
): Step[] {
  if (rules === null) return [];
  const steps = serveEgress(rules, { namespace: slots.take(), route: slots.take(), netfilter: slots.take() }, of);
  return isAgain ? [kept(KEYS.egress, [...stopEgress(rules), ...steps])] : steps;
}

/** Has later runs of a container have these, in the place of what {@link egressSteps} says. */
export function keepEgress(rules: readonly string[], of: EgressOf): Step {
  return keep(KEYS.egress, [...stopEgress(rules), ...serveEgress(rules, OWN, of)]);
}

/** Has a container that lives reach what another list allows. */
export function changeEgress(rules: readonly string[], of: EgressOf): Step[] {
  return [{ op: 'change_egress', host: true, rules }, keepEgress(rules, of)];
}

/**
 * Has a container that lives, and its later runs, be without a list. What was made for it may have been taken away by a program with rights over its
 * network, so it is made where it is missing, and removed then.
 */
export function liftEgress(of: Pick<EgressOf, 'hasIpv6'>): Step[] {
  const { namespace, route, netfilter } = OWN;
  return [
    { op: 'end_egress', host: true },
    ...openAll(OWN),
    batchStep(netfilter, 'lead no connections to a list', [haveTable(TABLE), deleteTable(TABLE)]),
    ...ownAddresses(of).flatMap((address) => [
      request(route, `have the address ${address.text} at ${LO.name}`, haveAddress(LO.index, address)),
      request(route, `have all addresses of IPv${address.family} local`, haveLocalRoute(LO.index, addressOf(address))),
      request(route, `make no more addresses of IPv${address.family} local`, deleteLocalRoute(LO.index, addressOf(address))),
      request(route, `remove the address ${address.text} from ${LO.name}`, deleteAddress(LO.index, address)),
    ]),
    ...closeAll([netfilter, route, namespace]),
    // the caller's ports of the run before are ended here
    keep(KEYS.egress, [{ op: 'stop_relay', host: true }]),
  ];
}

/** Has a container that lives, and whose list was lifted or is not served, reach what a list allows, and no more. */
export function returnEgress(rules: readonly string[], of: EgressOf): Step[] {
  return [...serveEgress(rules, OWN, of), keepEgress(rules, of)];
}

/** Steps that have a container that lives reach what its networks are now by its links, and what the list allows otherwise. */
export function changeEgressNetworks(of: EgressOf): Step[] {
  const { namespace, netfilter } = OWN;
  return [
    { op: 'open_namespace', host: true, out: namespace, type: 'net' },
    { op: 'netlink_socket', host: true, out: netfilter, ns: namespace, protocol: NETLINK_NETFILTER },
    batchStep(netfilter, LEAD, ruleRequests(of)),
    ...closeAll([netfilter, namespace]),
  ];
}

function openAll({ namespace, route, netfilter }: EgressSlots): Step[] {
  return [
    { op: 'open_namespace', host: true, out: namespace, type: 'net' },
    { op: 'netlink_socket', host: true, out: route, ns: namespace, protocol: NETLINK_ROUTE },
    { op: 'netlink_socket', host: true, out: netfilter, ns: namespace, protocol: NETLINK_NETFILTER },
  ];
}

/** An open socket would keep the namespace alive after its last process. */
function closeAll(slots: readonly Slot[]): Step[] {
  return slots.map((slot): Step => ({ op: 'close', host: true, slot }));
}

function serveEgress(rules: readonly string[], slots: EgressSlots, of: EgressOf): Step[] {
  const { namespace, route, netfilter } = slots;
  const own = ownAddresses(of);
  return [
    ...openAll(slots),
    ...own.flatMap((address) => [
      request(route, `have the address ${address.text} at ${LO.name}`, haveAddress(LO.index, address)),
      request(route, `have all addresses of IPv${address.family} local`, haveLocalRoute(LO.index, addressOf(address))),
    ]),
    batchStep(netfilter, LEAD, ruleRequests(of)),
    {
      op: 'serve_egress',
      host: true,
      ns: namespace,
      at: own.map((address) => addressOf(address).text),
      port: PORT,
      peers: of.hasPeers ? 1 : 0,
      rules,
    },
    ...closeAll([netfilter, route, namespace]),
  ];
}

/** Steps at the container's end: a listening socket keeps its namespace alive. */
export function stopEgress(rules: readonly string[] | null): Step[] {
  return rules === null ? [] : [{ op: 'stop_relay', host: true }];
}

/**
 * What is not TCP gets an error at once, so that who tries it goes on to TCP. What goes to its networks goes there. These rules are a service, and
 * no border, where the container has links: that one is this machine's (lib/network/rules/confined-rules.ts).
 */
function ruleRequests({ networks: { subnets, gateways }, ...of }: EgressOf): Request[] {
  const nat: Chain = { table: TABLE, name: 'egress', base: { type: 'nat', hook: 'output', priority: -100, policy: 'accept' } };
  const filter: Chain = { table: TABLE, name: 'refused', base: { type: 'filter', hook: 'output', priority: 0, policy: 'accept' } };
  const own = ownAddresses(of);
  const machine = gateways.map((gateway) => withPrefix(gateway, gateway.family === 4 ? 32 : 128));
  const toRelay = new Map(own.map((address) => [address.family, dnatTo(addressOf(address), PORT)]));
  const lead = (where: Statement, family: 4 | 6): Request[] => {
    const to = toRelay.get(family);
    return to === undefined ? [] : [addRule(nat, protocol('tcp'), where, to)];
  };
  const neighbours = subnets.some(({ family }) => family === 6) ? (['nd-neighbor-solicit', 'nd-neighbor-advert'] as const) : [];
  return [
    haveTable(TABLE),
    deleteTable(TABLE),
    createTable(TABLE, { owned: false }),
    addChain(nat),
    // the caller's ports, where they are asked for (lib/network/relay/host-ports.ts)
    addRule(nat, daddrIn(HOST), accept),
    ...machine.flatMap((address) => lead(daddrIn(address), address.family)),
    ...subnets.map((subnet) => addRule(nat, daddrIn(subnet), accept)),
    ...own.flatMap(({ family }) => lead(daddrNotIn(LOOPBACK[family]), family)),
    addChain(filter),
    ...machine.map((address) => addRule(filter, differs(l4proto, inetProto('tcp')), daddrIn(address), drop)),
    ...subnets.map((subnet) => addRule(filter, daddrIn(subnet), accept)),
    ...neighbours.map((type) => addRule(filter, equals(icmpv6Type, icmpv6(type)), accept)),
    // what is told to the others of an answer is no way out: whoever has connected to it hears it
    ...(subnets.length === 0 ? [] : [addRule(filter, equals(ctDirection, ctDir('reply')), inState('established'), accept)]),
    ...own.map(({ family }) => addRule(filter, differs(l4proto, inetProto('tcp')), daddrNotIn(LOOPBACK[family]), drop)),
  ];
}

function ownAddresses({ hasIpv6 }: Pick<EgressOf, 'hasIpv6'>): Cidr[] {
  return hasIpv6 ? [IPV4, IPV6] : [IPV4];
}

function addressOf({ bytes }: Cidr): Address {
  return describe(bytes);
}

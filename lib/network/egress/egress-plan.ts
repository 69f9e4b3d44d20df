import { NETLINK_NETFILTER, NETLINK_ROUTE } from '../../plan/constants.js';
import type { Slots } from '../../plan/plan.js';
import type { Slot, Step } from '../../plan/steps.js';
import { type Address, type Cidr, describe, withPrefix } from '../address.js';
import { l4proto } from '../nftables/fields.js';
import type { Request } from '../nftables/nfnetlink.js';
import { batchStep } from '../nftables/owner-table-plan.js';
import { accept, daddrIn, daddrNotIn, differs, dnatTo, drop, protocol } from '../nftables/statements.js';
import type { Chain, Table } from '../nftables/table.js';
import { addChain, addRule, createTable } from '../nftables/table-requests.js';
import { inetProto } from '../nftables/values.js';
import { hostAddress } from '../relay/host-ports.js';
import { newAddress, newLocalRoute } from '../rtnetlink.js';
import { request } from '../veth-plan.js';

// A network namespace out of which nothing leads but what a list allows. Pure.
//
//   program ──question──▶ 127.0.0.11, which knows the names of the list alone, each with an address that stands for it
//   program ──TCP, to any address──▶ rule of the namespace ──▶ 198.18.0.1:1 ──▶ the shim's relay (addon/shim/egress/guide.h)
//
// All addresses are local, and all but 127.0.0.0/8 and ::1 lead to the relay, so that what is not allowed is refused there, and told. Rules
// and addresses are no border: whoever changes them finds nothing else in the namespace.

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

/** Where a container asks about names. */
export const EGRESS_RESOLV_CONF = 'nameserver 127.0.0.11\noptions ndots:0\n';

/**
 * Steps that lead all connections out of a container's new network namespace to what its list allows.
 *
 * @param rules the list, as the shim reads it
 * @param of.isAgain the run before has had them, in a namespace of its own
 */
export function egressSteps(
  rules: readonly string[] | null,
  { slots, hasIpv6, isAgain }: { readonly slots: Slots; readonly hasIpv6: boolean; readonly isAgain: boolean },
): Step[] {
  if (rules === null) return [];
  const [namespace, route, netfilter]: [Slot, Slot, Slot] = [slots.take(), slots.take(), slots.take()];
  const own = hasIpv6 ? [IPV4, IPV6] : [IPV4];
  return [
    ...(isAgain ? stopEgress(rules) : []),
    { op: 'open_namespace', host: true, out: namespace, type: 'net' },
    { op: 'netlink_socket', host: true, out: route, ns: namespace, protocol: NETLINK_ROUTE },
    { op: 'netlink_socket', host: true, out: netfilter, ns: namespace, protocol: NETLINK_NETFILTER },
    ...own.flatMap((address) => [
      request(route, `add the address ${address.text} to ${LO.name}`, newAddress(LO.index, address)),
      request(route, `make all addresses of IPv${address.family} local`, newLocalRoute(LO.index, addressOf(address))),
    ]),
    batchStep(netfilter, 'lead connections to what the list allows', ruleRequests(own)),
    { op: 'serve_egress', host: true, ns: namespace, at: own.map((address) => addressOf(address).text), port: PORT, rules },
    // an open socket would keep the namespace alive after its last process
    ...[netfilter, route, namespace].map((slot): Step => ({ op: 'close', host: true, slot })),
  ];
}

/** Steps at the container's end: a listening socket keeps its namespace alive. */
export function stopEgress(rules: readonly string[] | null): Step[] {
  return rules === null ? [] : [{ op: 'stop_relay', host: true }];
}

/** What is not TCP gets an error at once, so that who tries it goes on to TCP. */
function ruleRequests(own: readonly Cidr[]): Request[] {
  const table: Table = { family: 'inet', name: 'nacelle' };
  const nat: Chain = { table, name: 'egress', base: { type: 'nat', hook: 'output', priority: -100, policy: 'accept' } };
  const filter: Chain = { table, name: 'refused', base: { type: 'filter', hook: 'output', priority: 0, policy: 'accept' } };
  return [
    createTable(table, { owned: false }),
    addChain(nat),
    // the caller's ports, where they are asked for (lib/network/relay/host-ports.ts)
    addRule(nat, daddrIn(HOST), accept),
    ...own.map((address) => addRule(nat, protocol('tcp'), daddrNotIn(LOOPBACK[address.family]), dnatTo(addressOf(address), PORT))),
    addChain(filter),
    ...own.map(({ family }) => addRule(filter, differs(l4proto, inetProto('tcp')), daddrNotIn(LOOPBACK[family]), drop)),
  ];
}

function addressOf({ bytes }: Cidr): Address {
  return describe(bytes);
}

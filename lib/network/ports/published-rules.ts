import { type Address, describe, withPrefix } from '../address.js';
import { fibDaddrType, ip6Daddr, ipDaddr, l4proto, thDport } from '../nftables/fields.js';
import type { Request } from '../nftables/nfnetlink.js';
import { addElements, addEntries, addSet, deleteElements } from '../nftables/set-requests.js';
import { daddrNotIn, differs, dnatBy, equals, family, inSet, reject, type Statement } from '../nftables/statements.js';
import type { Chain, NamedMap, NamedSet, Table } from '../nftables/table.js';
import { addChain, addRule } from '../nftables/table-requests.js';
import { addressType, inetProto, inetService, ipv4Addr, ipv6Addr } from '../nftables/values.js';
import { isWildcard } from './port-mapping.js';

// Where connections to published ports of one container lead: a table of its own, whose rules stay, and maps by key. Pure.

/** A port of this machine, and where packets to it go. */
export interface Redirect {
  readonly protocol: 'tcp' | 'udp';
  readonly address: Address;
  readonly host: number;
  /** The container's; of the same family. */
  readonly to: Address;
  readonly container: number;
}

interface Maps {
  /** By address. */
  readonly own4: NamedMap<['inet_proto', 'ipv4_addr', 'inet_service'], ['ipv4_addr', 'inet_service']>;
  readonly own6: NamedMap<['inet_proto', 'ipv6_addr', 'inet_service'], ['ipv6_addr', 'inet_service']>;
  /** At all addresses of this machine. */
  readonly any4: NamedMap<['inet_proto', 'inet_service'], ['ipv4_addr', 'inet_service']>;
  readonly any6: NamedMap<['inet_proto', 'inet_service'], ['ipv6_addr', 'inet_service']>;
  /** The keys of each, for what was not led elsewhere. */
  readonly held4: NamedSet<['inet_proto', 'ipv4_addr', 'inet_service']>;
  readonly held6: NamedSet<['inet_proto', 'ipv6_addr', 'inet_service']>;
  readonly heldAny4: NamedSet<['inet_proto', 'inet_service']>;
  readonly heldAny6: NamedSet<['inet_proto', 'inet_service']>;
}

function mapsOf(table: Table): Maps {
  return {
    own4: { table, name: 'own4', key: ['inet_proto', 'ipv4_addr', 'inet_service'], data: ['ipv4_addr', 'inet_service'] },
    own6: { table, name: 'own6', key: ['inet_proto', 'ipv6_addr', 'inet_service'], data: ['ipv6_addr', 'inet_service'] },
    any4: { table, name: 'any4', key: ['inet_proto', 'inet_service'], data: ['ipv4_addr', 'inet_service'] },
    any6: { table, name: 'any6', key: ['inet_proto', 'inet_service'], data: ['ipv6_addr', 'inet_service'] },
    held4: { table, name: 'held4', key: ['inet_proto', 'ipv4_addr', 'inet_service'] },
    held6: { table, name: 'held6', key: ['inet_proto', 'ipv6_addr', 'inet_service'] },
    heldAny4: { table, name: 'held-any4', key: ['inet_proto', 'inet_service'] },
    heldAny6: { table, name: 'held-any6', key: ['inet_proto', 'inet_service'] },
  };
}

const LOOPBACK4 = withPrefix(describe(Uint8Array.of(127, 0, 0, 0)), 8);
const LOOPBACK6 = ipv6Addr(describe(Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1)));

/**
 * The rules; which ports there are comes by {@link addPorts}. Packets from outside and those of this machine are led in the same way, but for
 * those to the loopback, which the port's own socket takes. What else gets to the machine itself is refused: it is of a connection from before
 * the rules.
 */
export function portTableRequests(table: Table): Request[] {
  const { own4, own6, any4, any6, held4, held6, heldAny4, heldAny6 } = mapsOf(table);
  const nat = (hook: 'prerouting' | 'output'): Chain => ({
    table,
    name: hook,
    base: { type: 'nat', hook, priority: -100, policy: 'accept' },
  });
  const input: Chain = { table, name: 'input', base: { type: 'filter', hook: 'input', priority: 0, policy: 'accept' } };
  const isLocal = equals(fibDaddrType, addressType('local'));
  const lead = (chain: Chain): Request[] => [
    addChain(chain),
    // an address may move to another machine
    addRule(chain, family('ip'), isLocal, dnatBy([l4proto, ipDaddr, thDport], own4)),
    addRule(chain, family('ip6'), isLocal, dnatBy([l4proto, ip6Daddr, thDport], own6)),
    addRule(chain, daddrNotIn(LOOPBACK4), isLocal, dnatBy([l4proto, thDport], any4)),
    addRule(chain, differs(ip6Daddr, LOOPBACK6), isLocal, dnatBy([l4proto, thDport], any6)),
  ];
  const refuse = (...held: Statement[]): Request[] => [
    addRule(input, ...held, reject('tcp reset')),
    addRule(input, ...held, reject('port-unreachable')),
  ];
  return [
    ...[addSet(own4), addSet(own6), addSet(any4), addSet(any6)],
    ...[addSet(held4), addSet(held6), addSet(heldAny4), addSet(heldAny6)],
    ...lead(nat('prerouting')),
    ...lead(nat('output')),
    addChain(input),
    ...refuse(inSet([l4proto, ipDaddr, thDport], held4)),
    ...refuse(inSet([l4proto, ip6Daddr, thDport], held6)),
    ...refuse(daddrNotIn(LOOPBACK4), inSet([l4proto, thDport], heldAny4)),
    ...refuse(differs(ip6Daddr, LOOPBACK6), inSet([l4proto, thDport], heldAny6)),
  ];
}

/** Publishes ports, all of them or none: one that is published already is refused (EEXIST). */
export function addPorts(table: Table, ports: readonly Redirect[]): Request[] {
  const { own4, own6, any4, any6, held4, held6, heldAny4, heldAny6 } = mapsOf(table);
  const of = entriesOf(ports);
  return [
    ...[...addEntries(own4, of.own4), ...addElements(held4, of.own4.map(keyOf))],
    ...[...addEntries(own6, of.own6), ...addElements(held6, of.own6.map(keyOf))],
    ...[...addEntries(any4, of.any4), ...addElements(heldAny4, of.any4.map(keyOf))],
    ...[...addEntries(any6, of.any6), ...addElements(heldAny6, of.any6.map(keyOf))],
  ];
}

/** Publishes them no more. One that is not published is refused (ENOENT). */
export function removePorts(table: Table, ports: readonly Redirect[]): Request[] {
  const maps = mapsOf(table);
  const of = entriesOf(ports);
  return [
    ...[maps.own4, maps.held4].flatMap((set) => deleteElements(set, of.own4.map(keyOf))),
    ...[maps.own6, maps.held6].flatMap((set) => deleteElements(set, of.own6.map(keyOf))),
    ...[maps.any4, maps.heldAny4].flatMap((set) => deleteElements(set, of.any4.map(keyOf))),
    ...[maps.any6, maps.heldAny6].flatMap((set) => deleteElements(set, of.any6.map(keyOf))),
  ];
}

function keyOf<K>({ key }: { readonly key: K }): K {
  return key;
}

function entriesOf(ports: readonly Redirect[]) {
  const of = (family: 4 | 6, isAny: boolean): readonly Redirect[] =>
    ports.filter(({ address }) => address.family === family && isWildcard(address) === isAny);
  return {
    own4: of(4, false).map((port) => ({ key: [proto(port), ipv4Addr(port.address), at(port)] as const, value: to4(port) })),
    own6: of(6, false).map((port) => ({ key: [proto(port), ipv6Addr(port.address), at(port)] as const, value: to6(port) })),
    any4: of(4, true).map((port) => ({ key: [proto(port), at(port)] as const, value: to4(port) })),
    any6: of(6, true).map((port) => ({ key: [proto(port), at(port)] as const, value: to6(port) })),
  };
}

const proto = ({ protocol }: Redirect) => inetProto(protocol);
const at = ({ host }: Redirect) => inetService(host);
const to4 = ({ to, container }: Redirect) => [ipv4Addr(to), inetService(container)] as const;
const to6 = ({ to, container }: Redirect) => [ipv6Addr(to), inetService(container)] as const;

import type { Expression, metaKeys, Register } from './expressions.js';
import { be16, NFPROTO } from './nfnetlink.js';
import { type DataType, inetProto, type Protocol } from './values.js';

// What rules look at, by nft's words for the same. A field may make sense only in some packets: what these are is asked first, once a rule.

/** The kinds of packets that a field is found in. */
export type Guard = 'ip' | 'ip6' | 'arp' | Protocol;

export interface Field<T extends DataType = DataType> {
  readonly type: T;
  readonly guard: Guard | null;
  readonly load: (to: Register) => Expression;
}

/** The number of the link that the packet came by, in a table of bridges that of the port. No rule needs the link to be there. */
export const iif = meta('iif', 'iface_index');
/** The number of the link that it goes to. */
export const oif = meta('oif', 'iface_index');
export const iifname = meta('iifname', 'ifname');
export const oifname = meta('oifname', 'ifname');
export const metaMark = meta('mark', 'mark');
/** The transport protocol: `meta l4proto`. */
export const l4proto = meta('l4proto', 'inet_proto');

export const ctMark: Field<'mark'> = { type: 'mark', guard: null, load: (to) => ({ op: 'ct', key: 'mark', to }) };
export const ctState: Field<'ct_state'> = { type: 'ct_state', guard: null, load: (to) => ({ op: 'ct', key: 'state', to }) };
export const ctDirection: Field<'ct_dir'> = { type: 'ct_dir', guard: null, load: (to) => ({ op: 'ct', key: 'direction', to }) };
export const ctStatus: Field<'ct_status'> = { type: 'ct_status', guard: null, load: (to) => ({ op: 'ct', key: 'status', to }) };

/** What kind of address the destination is, by this namespace's routes: `fib daddr type`. */
export const fibDaddrType: Field<'fib_addrtype'> = { type: 'fib_addrtype', guard: null, load: (to) => ({ op: 'fib', of: 'daddr', to }) };
/** The same of the source: `fib saddr type`. */
export const fibSaddrType: Field<'fib_addrtype'> = { type: 'fib_addrtype', guard: null, load: (to) => ({ op: 'fib', of: 'saddr', to }) };

export const etherSaddr = payload('link', 6, 6, 'ether_addr');
export const etherDaddr = payload('link', 0, 6, 'ether_addr');
export const ipSaddr = payload('network', 12, 4, 'ipv4_addr', 'ip');
export const ipDaddr = payload('network', 16, 4, 'ipv4_addr', 'ip');
export const ip6Saddr = payload('network', 8, 16, 'ipv6_addr', 'ip6');
export const ip6Daddr = payload('network', 24, 16, 'ipv6_addr', 'ip6');
/** Who says in an ARP packet to have an address: `arp saddr ether`, `arp saddr ip`. */
export const arpSaddrEther = payload('network', 8, 6, 'ether_addr', 'arp');
export const arpSaddrIp = payload('network', 14, 4, 'ipv4_addr', 'arp');
export const icmpv6Type = payload('transport', 0, 1, 'icmpv6_type', 'icmpv6');
/** Whose address a neighbour tells of, in the messages of RFC 4861, 4.3 and 4.4: nft's `icmpv6 taddr` since 1.0.8. */
export const neighbourTarget = payload('transport', 8, 16, 'ipv6_addr', 'icmpv6');
export const tcpDport = payload('transport', 2, 2, 'inet_service', 'tcp');
export const udpDport = payload('transport', 2, 2, 'inet_service', 'udp');
/** The source and the destination port of any protocol that has ports where TCP has them: `th sport`, `th dport`. */
export const thSport = payload('transport', 0, 2, 'inet_service');
export const thDport = payload('transport', 2, 2, 'inet_service');

/** Asks whether a packet is of that kind. @throws RangeError for ARP in a table of the family inet, which never sees any */
export function guardExpressions(guard: Guard, family: 'inet' | 'bridge'): Expression[] {
  const [key, value] = guardOf(guard, family);
  return [
    { op: 'meta', key, to: 1 },
    { op: 'cmp', is: '==', register: 1, value },
  ];
}

function guardOf(guard: Guard, family: 'inet' | 'bridge'): [keyof typeof metaKeys, Uint8Array] {
  switch (guard) {
    case 'arp':
      if (family === 'inet') throw new RangeError('a table of the family inet sees no ARP packets');
      return ['protocol', be16(0x0806)];
    case 'ip':
      return family === 'inet' ? ['nfproto', Uint8Array.of(NFPROTO.ip)] : ['protocol', be16(0x0800)];
    case 'ip6':
      return family === 'inet' ? ['nfproto', Uint8Array.of(NFPROTO.ip6)] : ['protocol', be16(0x86dd)];
    default:
      return ['l4proto', inetProto(guard).bytes];
  }
}

function meta<T extends DataType>(key: keyof typeof metaKeys, type: T): Field<T> {
  return { type, guard: null, load: (to) => ({ op: 'meta', key, to }) };
}

function payload<T extends DataType>(
  base: 'link' | 'network' | 'transport',
  offset: number,
  length: number,
  type: T,
  guard: Guard | null = null,
): Field<T> {
  return { type, guard, load: (to) => ({ op: 'payload', base, offset, length, to }) };
}

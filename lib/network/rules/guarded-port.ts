import { type Address, formatMac, known, parseCidr, parseMac } from '../address.js';
import type { NamedPort } from './own-rules.js';

/** What a container may send by a link to a network, as plain data: who shares its network namespace is held to the same, also after its end. */
export interface GuardedPort {
  readonly network: string;
  /** The bridge's port: its name, and its number, which no other link ever has. */
  readonly name: string;
  readonly index: number;
  readonly mac: string;
  /** In CIDR notation. */
  readonly addresses: readonly string[];
  /** As of {@link NamedPort}; what an older version of this library has written down lacks it. */
  readonly isConfined?: boolean;
}

export function guardedPort(network: string, { name, index, mac, addresses, isConfined = false }: NamedPort): GuardedPort {
  return { network, name, index, mac: formatMac(mac), addresses: addresses.map(({ text }) => text), isConfined };
}

export function portOf({ name, index, mac, addresses, isConfined = false }: GuardedPort): NamedPort {
  return { isConfined, name, index, mac: known(parseMac(mac)), addresses: addresses.map((text): Address => known(parseCidr(text))) };
}

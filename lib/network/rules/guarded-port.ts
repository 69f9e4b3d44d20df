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
}

export function guardedPort(network: string, { name, index, mac, addresses }: NamedPort): GuardedPort {
  return { network, name, index, mac: formatMac(mac), addresses: addresses.map(({ text }) => text) };
}

export function portOf({ name, index, mac, addresses }: GuardedPort): NamedPort {
  return { name, index, mac: known(parseMac(mac)), addresses: addresses.map((text): Address => known(parseCidr(text))) };
}

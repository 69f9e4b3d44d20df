import { type Cidr, hostOf } from '../address.js';

// What others on its networks know a container by, as the server of names reads it (addon/shim/names/member.h). Pure.

/** Who a container is to others. */
export interface NamedContainer {
  readonly id: string;
  readonly name: string | null;
  /** The one that was asked for: what it is called otherwise follows from its id. */
  readonly hostname: string | null;
}

/** A container's place in a network. */
export interface MemberPlace {
  readonly network: string;
  readonly addresses: readonly Pick<Cidr, 'text'>[];
  readonly names: readonly string[];
}

const LONGEST = 253;
const LONGEST_LABEL = 63;

/** Whether a query can ask for this: labels of 1 to 63 bytes, 253 together, with no spaces (RFC 1035, 2.3.4). */
export function isName(name: string): boolean {
  const isLabel = (label: string): boolean => label.length > 0 && Buffer.byteLength(label) <= LONGEST_LABEL;
  return Buffer.byteLength(name) <= LONGEST && !/[\0-\x20\x7f]/.test(name) && name.split('.').every(isLabel);
}

/**
 * The names of a container in a network, in lower case: its name, host name, aliases, and its id, whole and as the 12 digits that are shown.
 * The first is that of its addresses (PTR). A name of the container's that no query can ask for is none.
 */
export function dnsNamesOf({ id, name, hostname }: NamedContainer, aliases: readonly string[]): string[] {
  const all = [name, hostname, ...aliases, id.slice(0, 12), id].filter((one) => one !== null).map((one) => one.toLowerCase());
  return [...new Set(all.filter(isName))];
}

/** The text of a member's file. */
export function memberText(places: readonly MemberPlace[]): string {
  const hosts = (addresses: MemberPlace['addresses']): string => addresses.map(({ text }) => hostOf(text)).join();
  return places.map(({ network, addresses, names }) => `${network} ${hosts(addresses)} ${names.join(' ')}\n`).join('');
}

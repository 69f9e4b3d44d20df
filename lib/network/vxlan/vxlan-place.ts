import { invalidOption } from '../../errors.js';
import type { Address } from '../address.js';
import type { LinkInfo } from '../link.js';
import { mtuThrough, VXLAN_PORT } from './vxlan-link.js';

/** What a network of several hosts is to have on this one. */
export interface WantedTunnel {
  readonly vni: number;
  readonly parent: string | null;
  readonly peers: readonly Address[];
  readonly mtu: number | null;
}

/** The version of IP between the hosts: that of the other hosts' addresses, which are all of one. */
export function familyOfPeers(peers: readonly Address[]): 4 | 6 {
  return peers[0]?.family ?? 4;
}

/**
 * Refuses what this machine can't have: a number that another network or link has, a parent that is not there. Pure.
 *
 * @param numbers the numbers of the other networks of the store, with their names
 * @throws NacelleError `ERR_INVALID_OPTION`
 */
export function requireTunnelPlace(
  { vni, parent, peers, mtu }: WantedTunnel,
  links: readonly LinkInfo[],
  numbers: readonly { readonly name: string; readonly vni: number }[],
): void {
  const network = numbers.find((other) => other.vni === vni);
  if (network) throw invalidOption('vni', `is ${vni}, which the network ${network.name} has`);
  const link = linkWithNumber(links, vni);
  if (link) throw invalidOption('vni', `is ${vni}, which the link ${link.name} of this machine has`);
  if (parent === null) return;
  const under = links.find(({ name }) => name === parent);
  if (!under) throw invalidOption('parent', `is ${parent}, and this machine has no such link`);
  const largest = mtuThrough(under.mtu, familyOfPeers(peers));
  if (mtu !== null && mtu > largest) throw invalidOption('mtu', `is ${mtu}, and what goes by ${parent} has ${largest} bytes at most`);
}

/** The link that has a number at the port of ours: the kernel lets no two have it. */
export function linkWithNumber(links: readonly LinkInfo[], vni: number): LinkInfo | null {
  return links.find(({ vxlan }) => vxlan?.vni === vni && vxlan.port === VXLAN_PORT) ?? null;
}

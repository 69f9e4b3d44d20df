import { readIfThere } from '../../native/read-if-there.js';
import { advertisedLinks, nameServers, onLink, parseRoutes, parseRoutes6, type Route } from '../ipam/routes.js';
import { allNetworks } from './network-file.js';
import { subnetsOf, type TakenSubnet } from './network-settings.js';

/** The routes of this process's network namespace. */
export function ownRoutes(): Route[] {
  return [...parseRoutes(textOf('/proc/self/net/route')), ...parseRoutes6(textOf('/proc/self/net/ipv6_route'))];
}

/** Links by which a router has given this process's network namespace a default route of IPv6. */
export function ownAdvertisedLinks(): string[] {
  return advertisedLinks(textOf('/proc/self/net/ipv6_route'));
}

/**
 * What a new network must not overlap: the other networks, what is on this machine's links, and its name servers. Of a network that is
 * damaged only the bridge counts, where that is up.
 *
 * @param parent a link whose network the new one is a part of; `null`: none
 */
export async function takenSubnets(parent: string | null = null): Promise<TakenSubnet[]> {
  const networks = (await allNetworks()).flatMap(({ name, record }) =>
    record ? subnetsOf(record).map((subnet) => ({ subnet, whose: `the network ${name}` })) : [],
  );
  return [...networks, ...takenByMachine(parent)];
}

/** @param parent as of {@link takenSubnets}: name servers may be in its network, as the machine is */
export function takenByMachine(parent: string | null = null): TakenSubnet[] {
  const routes = ownRoutes().filter(({ link }) => link !== parent);
  const servers = parent === null ? nameServers(textOf('/etc/resolv.conf')) : [];
  return [
    ...onLink(routes).map((subnet) => ({ subnet, whose: 'a link of this machine' })),
    ...servers.map((subnet) => ({ subnet, whose: 'a name server of this machine' })),
  ];
}

/** A file that is missing, as those of IPv6 are where the kernel has none, says nothing. */
function textOf(path: string): string {
  return readIfThere(path) ?? '';
}

import { readFileSync } from 'node:fs';
import { hasCode } from '../../errors.js';
import { attempt } from '../../native/system-errors.js';
import { nameServers, onLink, parseRoutes, parseRoutes6, type Route } from '../ipam/routes.js';
import { findNetwork, networkNames } from './network-file.js';
import { subnetsOf, type TakenSubnet } from './network-settings.js';

/** The routes of this process's network namespace. */
export function ownRoutes(): Route[] {
  return [...parseRoutes(textOf('/proc/self/net/route')), ...parseRoutes6(textOf('/proc/self/net/ipv6_route'))];
}

/** What a new network must not overlap: the other networks, what is on this machine's links, and its name servers. */
export async function takenSubnets(): Promise<TakenSubnet[]> {
  const taken: TakenSubnet[] = [];
  for (const name of await networkNames()) {
    const record = await findNetwork(name);
    if (record) taken.push(...subnetsOf(record).map((subnet) => ({ subnet, whose: `the network ${name}` })));
  }
  return [...taken, ...takenByMachine()];
}

export function takenByMachine(): TakenSubnet[] {
  return [
    ...onLink(ownRoutes()).map((subnet) => ({ subnet, whose: 'a link of this machine' })),
    ...nameServers(textOf('/etc/resolv.conf')).map((subnet) => ({ subnet, whose: 'a name server of this machine' })),
  ];
}

/** A file that is missing, as those of IPv6 are where the kernel has none, says nothing. */
function textOf(path: string): string {
  return attempt(`read ${path}`, () => {
    try {
      return readFileSync(path, 'utf8');
    } catch (error) {
      if (hasCode(error, 'ENOENT')) return '';
      throw error;
    }
  });
}

import { existsSync } from 'node:fs';
import { invalidOption } from '../../errors.js';
import { readIfThere } from '../../native/read-if-there.js';
import type { LinkInfo } from '../link.js';

/** What a network of a link's children is to have. */
export interface WantedParent {
  readonly driver: 'macvlan' | 'ipvlan';
  readonly parent: string;
  readonly mtu: number | null;
}

/**
 * Refuses what no child can have.
 *
 * @param sys where sysfs is mounted
 * @throws NacelleError `ERR_INVALID_OPTION`
 */
export function requireParent({ driver, parent, mtu }: WantedParent, links: readonly LinkInfo[], sys = '/sys'): LinkInfo {
  const link = links.find(({ name }) => name === parent);
  if (!link) throw invalidOption('parent', `is ${parent}, and this machine has no such link`);
  if (link.name === 'lo') throw invalidOption('parent', 'is lo, the loopback, which leads to nobody');
  const master = links.find(({ index }) => index === link.master);
  if (master) throw invalidOption('parent', `is ${parent}, a port of ${master.name}: take ${master.name}`);
  if (driver === 'macvlan' && isWireless(link, sys)) {
    throw invalidOption('parent', `is ${parent}, which is wireless: a station sends nothing from other MAC addresses than its own`);
  }
  if (mtu !== null && mtu > link.mtu) throw invalidOption('mtu', `is ${mtu}, and ${parent} has ${link.mtu} bytes at most`);
  return link;
}

/** sysfs may be that of another network namespace, where the name is another link's. */
function isWireless({ name, index }: LinkInfo, sys: string): boolean {
  const folder = `${sys}/class/net/${name}`;
  return readIfThere(`${folder}/ifindex`)?.trim() === String(index) && existsSync(`${folder}/phy80211`);
}

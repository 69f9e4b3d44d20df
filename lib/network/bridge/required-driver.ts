import { invalidOption } from '../../errors.js';
import { requireLinkKind } from '../../host/link-feature.js';
import { requireParent } from '../macvlan/macvlan-place.js';
import { ownLinks } from '../own-links.js';
import { requireTunnelPlace } from '../vxlan/vxlan-place.js';
import { allNetworks } from './network-file.js';
import type { ParsedNetwork } from './network-options.js';
import { isChildRecord } from './network-settings.js';

/** @throws UnsupportedError where the kernel lacks the driver of a network */
export async function requireDriver({ choice }: ParsedNetwork): Promise<void> {
  if (choice.driver !== 'bridge') await requireLinkKind(choice.driver);
}

/**
 * Refuses what this machine can't have of a network. The caller has the lock of the networks' files.
 *
 * @throws NacelleError `ERR_INVALID_OPTION`; SyscallError
 */
export async function requirePlace({ choice, mtu }: ParsedNetwork): Promise<void> {
  if (choice.driver === 'bridge') return;
  const links = await ownLinks();
  const networks = await allNetworks();
  if (choice.driver !== 'vxlan') {
    requireParent({ ...choice, mtu }, links);
    const others = networks.flatMap(({ name, record }) => (record && isChildRecord(record) ? [{ ...record, name }] : []));
    const other = others.find(({ parent, driver }) => parent === choice.parent && driver !== choice.driver);
    if (other)
      throw invalidOption(
        'driver',
        `is ${choice.driver}, and a link has children of one driver: ${choice.parent} those of the network ${other.name}, ${other.driver}`,
      );
    return;
  }
  const numbers = networks.flatMap(({ name, record }) => (record?.driver === 'vxlan' ? [{ name, vni: record.vni }] : []));
  requireTunnelPlace({ ...choice, mtu }, links, numbers);
}

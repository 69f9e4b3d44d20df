import { NacelleError } from '../../errors.js';
import type { Slot, Step } from '../../plan/steps.js';
import { tunnelOf } from '../bridge/network-folder.js';
import { peersOf, remotesOf, type VxlanRecord } from '../bridge/network-settings.js';
import { isOwnAddress } from '../own-addresses.js';
import { ownLinks } from '../own-links.js';
import { keepNames, putNames } from './remote-names.js';
import { type Remote, tunnelSteps } from './tunnel-plan.js';
import { familyOfPeers, linkWithNumber } from './vxlan-place.js';

/** What containers here are to know of those on other hosts by name. */
export function tellNames(name: string, record: VxlanRecord): void {
  const remotes = othersOf(record);
  keepNames(name, remotes);
  putNames(name, remotes);
}

function othersOf(record: VxlanRecord): Remote[] {
  return remotesOf(record).filter(({ host }) => !isOwnAddress(host));
}

/**
 * Steps that make the port of a network's bridge to the other hosts. This host may be among those that are written down.
 *
 * @param of.parent the index of the link to them; `null`: as the routes say
 */
export function portsToHosts(
  name: string,
  record: VxlanRecord,
  of: { readonly socket: Slot; readonly mtu: number; readonly parent: number | null },
): Step[] {
  const peers = peersOf(record);
  const tunnel = { vni: record.vni, family: familyOfPeers(peers), parent: of.parent, mtu: of.mtu };
  return tunnelSteps(of.socket, tunnelOf(name), {
    ...tunnel,
    peers: peers.filter((host) => !isOwnAddress(host)),
    remotes: othersOf(record),
  });
}

/** @throws NacelleError `ERR_VNI_TAKEN` when a link of this machine has the number, for which the kernel has refused another one */
export async function requireFreeNumber(name: string, { vni }: VxlanRecord, cause: unknown): Promise<void> {
  const other = linkWithNumber(await ownLinks(), vni);
  if (!other) return;
  const message = `make the bridge of the network ${name}: the link ${other.name} of this machine has its number ${vni}. Remove that link`;
  throw new NacelleError(message, { code: 'ERR_VNI_TAKEN', cause });
}

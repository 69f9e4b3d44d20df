import { invalidOption, NacelleError, toError, UnsupportedError } from '../../errors.js';
import { privilege } from '../../host/privilege.js';
import { type ReapReport, reap as reapOwners } from '../../host/reap.js';
import { storeRoot } from '../../host/store-path.js';
import { now } from '../../native/clock.js';
import { checkAll, collectLeft, isPluggedInto, placesIn } from '../cni/ask-plugins.js';
import { detachAllEnded } from '../cni/attachments.js';
import { addressesOf, readResult } from '../cni/cni-result.js';
import { settlePlugins } from '../cni/plugin-network.js';
import { removeLeftNetworks } from '../holder/networks-place.js';
import { allNetworks, findNetwork, forgetNetwork, noNetwork, withNetworkFiles, writeNetwork } from './network-file.js';
import type { ParsedPluginNetwork } from './network-options.js';
import type { PluginRecord } from './network-settings.js';
import { removeUnusedFolders } from './unused-folders.js';

// What `Network` does where plugins of CNI make the network.

/** @throws as `settlePlugins`; NacelleError `ERR_NAME_TAKEN` */
export async function createPluginNetwork(name: string, { driver, labels }: ParsedPluginNetwork): Promise<void> {
  const settings = await settlePlugins(driver);
  await withNetworkFiles(async () => {
    const networks = await allNetworks();
    if (networks.some((one) => one.name === name)) throw nameTaken(name);
    // plugins tell networks apart by that name: addresses of one would be the other's
    const same = networks.find(({ record }) => record?.driver === 'cni' && record.list.name === settings.list.name);
    if (same)
      throw invalidOption('driver.cni', `has the name ${settings.list.name}, which the configuration of the network ${same.name} has`);
    const rest = { subnets: [], range: null, internal: false, mtu: null, persist: false };
    await writeNetwork(name, { driver: 'cni', ...settings, ...rest, labels: { ...labels }, createdAt: new Date(now()).toISOString() });
  });
}

export function nameTaken(name: string): NacelleError {
  return new NacelleError(`there is a network ${name} already`, { code: 'ERR_NAME_TAKEN' });
}

/** The caller has found that plugins make the network. */
export async function removePluginNetwork(name: string): Promise<'removed' | 'missing' | 'used'> {
  // what is left of a container on it can be taken back without the network: its record has all that is needed
  await detachAllEnded();
  return withNetworkFiles(async () => {
    if ((await findNetwork(name)) === null) return 'missing';
    if (isPluggedInto(name, storeRoot())) return 'used';
    await forgetNetwork(name);
    return 'removed';
  });
}

/** @throws NacelleError `ERR_NO_NETWORK`; UnsupportedError for another driver; CniError */
export async function checkPluginNetwork(name: string): Promise<string[]> {
  const record = await findNetwork(name);
  if (record === null) throw noNetwork(name);
  if (record.driver !== 'cni')
    throw new UnsupportedError('network.check', `the network ${name} has the driver ${record.driver}, which has no plugins`);
  return checkAll(name, storeRoot(), record);
}

/** The containers on a network, by their addresses there. */
export function pluggedInto(name: string, { version }: PluginRecord): { id: string; addresses: string[] }[] {
  return placesIn(name, storeRoot()).flatMap(({ request, result: printed }) => {
    const result = printed === null ? '' : readResult(printed, version);
    // one whose plugins are at work has no address yet
    if (typeof result === 'string') return [];
    return [{ id: request.id, addresses: addressesOf(result, request.interface).map(({ text }) => text) }];
  });
}

/**
 * Removes what dead owners left, of all primitives: control groups, mounts, folders, links, and what is noted of networks that nobody uses; and has plugins of CNI detach the containers that have ended
 * without anybody to see to it, and remove what no container has (GC). Nothing of a live owner is touched. The first use in a process does the
 * same but for the plugins, and reports failures as a `NacelleWarning`. Idempotent.
 *
 * An owner lives while its shim holds the lock on its file: pids would mean nothing across pid namespaces. What is in a network namespace that
 * none of the processes visible here is in stays for a process that sees all of the machine's, or that is in the pid namespace of its maker. Two reaps at
 * once do no harm: each takes the lock first, and to remove what is gone is success. Plugins are run for containers of this process's network namespace, and of those that have gone.
 */
export async function reap(): Promise<ReapReport> {
  const { owners, failures } = await reapOwners();
  const more = await detachAllEnded();
  await removeLeftNetworks().catch((error: unknown) => more.push(toError(error)));
  more.push(...removeUnusedFolders());
  // plugins need root, and another's store may not be this user's to read
  for (const { record } of privilege().kind === 'root' ? await allNetworks() : []) {
    if (record?.driver === 'cni') await collectLeft(record).catch((error: unknown) => more.push(toError(error)));
  }
  return { owners, failures: [...failures, ...more.map(asOwn)] };
}

function asOwn(error: Error): NacelleError {
  return error instanceof NacelleError ? error : new NacelleError(error.message, { code: 'ERR_INTERNAL', cause: error });
}

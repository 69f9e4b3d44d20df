import { liveAttachments } from './attachment-files.js';
import { besideCollecting, isThere } from './attachments.js';
import { canCheck, checkBy, collectBy, statusOf } from './chain.js';
import { isAtLeast } from './cni-version.js';
import { chainOf, type PluginSettings } from './plugin-network.js';

// What is asked of all plugins of a network.

/**
 * Has the plugins of a network remove what no container has any more (GC). Valid are the containers on all networks of that name, whatever the
 * store and network namespace: plugins tell networks apart by name. Nothing is asked where the configuration is a file, or says disableGC.
 *
 * @throws CniError: the first failure, when all plugins were told, with the others
 */
export async function collectLeft(settings: PluginSettings): Promise<void> {
  // a file may be other runtimes' too (podman, containerd), and plugins take from all containers that are not named
  if (settings.file !== null || settings.list.disableGC || !isAtLeast(settings.version, '1.1.0')) return;
  await besideCollecting('exclusive', () => {
    const valid = liveAttachments().filter(({ list }) => list.name === settings.list.name);
    return collectBy(
      chainOf(settings),
      valid.map(({ request }) => ({ containerID: request.id, ifname: request.interface })),
    );
  });
}

/** The places of containers in a network, in the network namespace of this process. */
export function placesIn(network: string, store: string) {
  return liveAttachments().filter((one) => one.isHere && one.network === network && one.store === store);
}

/** Whether a container is on a network, in whichever network namespace. */
export function isPluggedInto(network: string, store: string): boolean {
  return liveAttachments().some((one) => one.network === network && one.store === store);
}

/**
 * Asks the plugins of a network whether they could attach containers (STATUS), and of each container that has a place whether that is as it was
 * made (CHECK). Containers whose maker has ended are left out: the plugins were given its path to the network namespace.
 *
 * @returns the ids of those that were asked for
 * @throws CniError
 */
export async function checkAll(network: string, store: string, settings: PluginSettings): Promise<string[]> {
  await statusOf(chainOf(settings));
  const checked: string[] = [];
  for (const one of placesIn(network, store)) {
    if (one.result === null || !canCheck(one) || !isThere(one)) continue;
    await besideCollecting('shared', () => checkBy(one, one.request, one.result));
    checked.push(one.request.id);
  }
  return checked;
}

import { withCleanupError } from '../../errors.js';
import { networkNamespaceOf, ownNetworkNamespace } from '../../host/locate.js';
import { settleEnded } from '../../network/cni/attachments.js';
import type { ParsedOptions } from '../options/container-options.js';
import { imageOf } from './named-image.js';

/**
 * Does some work with the options in which another container's network is a namespace to join. The image is there by then, for its registry must hold up
 * neither a change of the other container's list nor whoever shares its network too.
 *
 * @throws what the work throws; as `imageOf`; SyscallError
 */
export async function withNetwork<T>(options: ParsedOptions, work: (joined: ParsedOptions) => Promise<T>): Promise<T> {
  const { networkOf } = options;
  if (!networkOf?.withList) return withNamespace(options, work);
  const ready = await withImage(options);
  return networkOf.withList(() => withNamespace(ready, work));
}

async function withImage(options: ParsedOptions): Promise<ParsedOptions> {
  const { root } = options;
  if (root.type !== 'image' || typeof root.image !== 'string') return options;
  return { ...options, root: { ...root, image: await imageOf(root.image, root.pull, options) } };
}

async function withNamespace<T>(options: ParsedOptions, work: (joined: ParsedOptions) => Promise<T>): Promise<T> {
  const network = await options.networkOf?.namespace('net');
  try {
    if (!network) return await work(options);
    const net = isOwn(network) ? 'host' : network;
    const { networks = [], guarded = [], hasEgress = false, hasPasta = false } = options.networkOf ?? {};
    const shared = { sharedNetworks: networks, sharedGuards: guarded, sharesEgress: hasEgress, sharesPasta: hasPasta };
    return await work({ ...options, namespaces: { ...options.namespaces, net }, ...shared });
  } catch (error) {
    // plugins may have attached it before something failed
    throw withCleanupError(error, await settleEnded());
  } finally {
    await network?.close();
  }
}

/** Whether the other container has the network of this process, which not everybody may join. */
function isOwn({ fd }: { readonly fd: number }): boolean {
  return networkNamespaceOf(fd) === ownNetworkNamespace();
}

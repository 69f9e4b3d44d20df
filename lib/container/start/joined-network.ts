import { withCleanupError } from '../../errors.js';
import { networkNamespaceOf, ownNetworkNamespace } from '../../host/locate.js';
import { settleEnded } from '../../network/cni/attachments.js';
import type { ParsedOptions } from '../options/container-options.js';

/** Does some work with the options in which another container's network is a namespace to join. @throws what the work throws; SyscallError */
export function withNetwork<T>(options: ParsedOptions, work: (joined: ParsedOptions) => Promise<T>): Promise<T> {
  const { networkOf } = options;
  const joined = (): Promise<T> => withNamespace(options, work);
  return networkOf?.withList ? networkOf.withList(joined) : joined();
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

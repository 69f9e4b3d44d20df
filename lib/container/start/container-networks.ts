import { type JoinedNetworks, joinNetworks } from '../../network/bridge/join-networks.js';
import { DEFAULT_NETWORK, makeDefaultNetwork } from '../../network/bridge/network.js';
import type { ParsedOptions } from '../options/container-options.js';

/**
 * The networks of a container that is about to be made, with its addresses in them.
 *
 * @throws NacelleError `ERR_NO_NETWORK`, `ERR_NO_ADDRESS`, `EADDRINUSE`, `ERR_INVALID_OPTION` for an `ip` that is none of the network's;
 * SyscallError
 */
export async function networksFor(
  { networks, sharedNetworks }: Pick<ParsedOptions, 'networks' | 'sharedNetworks'>,
  of: { readonly id: string; readonly owner: string },
): Promise<JoinedNetworks> {
  if (networks.some(({ name }) => name === DEFAULT_NETWORK)) await makeDefaultNetwork();
  return joinNetworks(networks, sharedNetworks, of);
}

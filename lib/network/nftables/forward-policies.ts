import { NacelleError } from '../../errors.js';
import { type BaseChain, forwardChains, getChains, parseBaseChains } from './base-chains.js';
import { ask, type Where, withNetfilter } from './netfilter-socket.js';

/** How often the kernel is asked while others change their rules. */
const ATTEMPTS = 20;

/**
 * The chains of all tables that decide about what is forwarded, with what they do with a packet that none of their rules decides about.
 *
 * Those of iptables-nft are among them, those of iptables-legacy are not: they are in no table of nftables.
 *
 * @throws SyscallError the kernel has no nf_tables, or CAP_NET_ADMIN over the namespace is missing; NacelleError `ERR_NETLINK`: others changed
 * their rules all the time
 */
export function forwardPolicies(where: Where = {}): Promise<BaseChain[]> {
  return withNetfilter(where, async (task, socket) => {
    for (let tried = 0; tried < ATTEMPTS; ++tried) {
      const chains = parseBaseChains(await ask(task, socket, 'list the chains of nftables', getChains()));
      if (chains) return forwardChains(chains);
    }
    throw new NacelleError('list the chains of nftables: they change all the time', { code: 'ERR_NETLINK' });
  });
}

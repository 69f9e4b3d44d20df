import { NacelleError } from '../../errors.js';
import type { Task } from '../../native/task.js';
import type { Slot } from '../../plan/steps.js';
import { type ForwardChain, forwardChains, getChains, parseBaseChains } from './base-chains.js';
import { getRules, parseRules } from './forward-rules.js';
import { chainsFrom, dropsAll, letsThrough, type Packets } from './forward-walk.js';
import { ask, type Where, withNetfilter } from './netfilter-socket.js';
import { isOwnTable } from './owner-table-plan.js';

/** A chain that drops, by its policy or its rules, and the names of those that all of its packets come to. */
export type DroppingChain = ForwardChain & { readonly reached: readonly string[] };

/** The packets that a table of each family sees. */
const sees: Readonly<Record<ForwardChain['family'], readonly (4 | 6)[]>> = { inet: [4, 6], ip: [4], ip6: [6] };

/** How often the kernel is asked while others change their rules. */
const ATTEMPTS = 20;

/**
 * The chains of others that drop what goes through a link: what others decide can't be overruled by a table of one's own. Their policy is to drop, as
 * docker's and ufw's, and none of their rules lets it pass; or it is to accept, and their rules end with one that drops or rejects all else, as
 * firewalld's. Those of iptables-nft are among them, those of iptables-legacy are not: they are in no table of nftables.
 *
 * @param families those that the link has packets of
 * @throws SyscallError the kernel has no nf_tables, or CAP_NET_ADMIN over the namespace is missing; NacelleError `ERR_NETLINK`: others changed
 * their rules all the time
 */
export function droppingChains(packets: Packets, families: readonly (4 | 6)[], where: Where = {}): Promise<DroppingChain[]> {
  return withNetfilter(where, async (task, socket) => {
    const chains = forwardChains(await listed(task, socket, 'chains', getChains(), parseBaseChains));
    const dropping: DroppingChain[] = [];
    for (const chain of chains) {
      const seen = families.filter((family) => sees[chain.family].includes(family));
      if (seen.length === 0 || isOwnTable(chain.table)) continue;
      const rules = await listed(task, socket, 'rules', getRules(chain.family, chain.table), parseRules);
      const reached = chainsFrom(chain.name, rules);
      const isOpen = chain.policy === 'accept' || letsThrough(packets.link, rules, reached);
      if (!isOpen || seen.some((family) => dropsAll(chain.name, rules, packets, family))) dropping.push({ ...chain, reached });
    }
    return dropping;
  });
}

async function listed<T>(
  task: Task,
  socket: Slot,
  what: string,
  request: Uint8Array,
  parse: (replies: Uint8Array) => T | null,
): Promise<T> {
  for (let tried = 0; tried < ATTEMPTS; ++tried) {
    const found = parse(await ask(task, socket, `list the ${what} of nftables`, request));
    if (found !== null) return found;
  }
  throw new NacelleError(`list the ${what} of nftables: they change all the time`, { code: 'ERR_NETLINK' });
}

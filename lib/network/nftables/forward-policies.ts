import { NacelleError } from '../../errors.js';
import { type ForwardChain, forwardChains, getChains, parseBaseChains } from './base-chains.js';
import { type ForeignRule, getRules, parseRules } from './forward-rules.js';
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
 * their chains, or the rules of one whose policy is to drop, all the time
 */
export function droppingChains(packets: Packets, families: readonly (4 | 6)[], where: Where = {}): Promise<DroppingChain[]> {
  return withNetfilter(where, (task, socket) => droppingOf(packets, families, (what, request) => ask(task, socket, what, request)));
}

/** As {@link droppingChains}. @param answer what the kernel answers to a request */
export async function droppingOf(
  packets: Packets,
  families: readonly (4 | 6)[],
  answer: (what: string, request: Uint8Array) => Promise<Uint8Array>,
): Promise<DroppingChain[]> {
  const chains = forwardChains(required('chains', await listed('chains', getChains(), parseBaseChains, answer)));
  const listings = new Map<string, Promise<ForeignRule[] | null>>();
  const dropping: DroppingChain[] = [];
  for (const chain of chains) {
    const seen = families.filter((family) => sees[chain.family].includes(family));
    if (seen.length === 0 || isOwnTable(chain.table)) continue;
    // a table may have many rules, of all of its chains
    const table = `${chain.family} ${chain.table}`;
    const listing = listings.get(table) ?? listed('rules', getRules(chain.family, chain.table), parseRules, answer);
    listings.set(table, listing);
    const found = await listing;
    // what can't be read of a chain that accepts what its rules leave is no reason to refuse anything
    if (found === null && chain.policy === 'accept') continue;
    const rules = required('rules', found);
    const reached = chainsFrom(chain.name, rules);
    const isOpen = chain.policy === 'accept' || letsThrough(packets.link, rules, reached);
    if (!isOpen || seen.some((family) => dropsAll(chain.name, rules, packets, family))) dropping.push({ ...chain, reached });
  }
  return dropping;
}

/** `null`: others changed them all the time. */
async function listed<T>(
  what: string,
  request: Uint8Array,
  parse: (replies: Uint8Array) => T | null,
  answer: (what: string, request: Uint8Array) => Promise<Uint8Array>,
): Promise<T | null> {
  for (let tried = 0; tried < ATTEMPTS; ++tried) {
    const found = parse(await answer(`list the ${what} of nftables`, request));
    if (found !== null) return found;
  }
  return null;
}

function required<T>(what: string, found: T | null): T {
  if (found !== null) return found;
  throw new NacelleError(`list the ${what} of nftables: they change all the time`, { code: 'ERR_NETLINK' });
}

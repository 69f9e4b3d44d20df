import { type Attributes, type Message, malformed, NLM_F, parseAttributes, parseReplies, readText } from '../netlink.js';
import { encodeRequest, familyOf, NFGENMSG, NFPROTO, readBe32, SUBSYSTEM, typeOf } from './nfnetlink.js';
import { hooks, policies } from './table.js';
import { NFT_MSG, NFTA_CHAIN, NFTA_HOOK } from './table-requests.js';

/** A chain of anybody's where packets enter, as `nft list chains` shows it. */
export interface BaseChain {
  /** The word of nft(8), or the number of a family that has none here. */
  readonly family: keyof typeof NFPROTO | number;
  readonly table: string;
  readonly name: string;
  /** 'filter', 'nat', 'route'. */
  readonly type: string;
  /** The word of nft(8), or the number where the family has hooks of its own. */
  readonly hook: keyof typeof hooks | number;
  readonly priority: number;
  readonly policy: 'accept' | 'drop';
}

/** A chain that sees packets of IP. */
export type ForwardChain = BaseChain & { readonly family: 'inet' | 'ip' | 'ip6' };

/** Others changed their rules while the kernel listed them. */
export const NLM_F_DUMP_INTR = 0x10;

/** Asks for the chains of all tables of the namespace. */
export function getChains(): Uint8Array {
  const type = typeOf(SUBSYSTEM.nftables, NFT_MSG.GETCHAIN);
  return encodeRequest({ type, flags: NLM_F.REQUEST | NLM_F.DUMP, family: NFPROTO.unspec, attributes: [] });
}

/**
 * The base chains of a reply to {@link getChains}; `null` when the rules changed while the kernel listed them: then it is to be asked again.
 *
 * @throws NacelleError `ERR_NETLINK`: the bytes are no such reply; SyscallError: the kernel refused
 */
export function parseBaseChains(replies: Uint8Array): BaseChain[] | null {
  const messages = parseReplies(replies);
  if (messages.some(({ flags }) => (flags & NLM_F_DUMP_INTR) !== 0)) return null;
  return messages.filter(({ type }) => type === typeOf(SUBSYSTEM.nftables, NFT_MSG.NEWCHAIN)).flatMap(parseBaseChain);
}

/** Those that decide about what is forwarded: a packet gets through when all of them let it, so one that drops is enough to stop it. */
export function forwardChains(chains: readonly BaseChain[]): ForwardChain[] {
  const seesIp = (chain: BaseChain): chain is ForwardChain => chain.family === 'inet' || chain.family === 'ip' || chain.family === 'ip6';
  return chains.filter(seesIp).filter(({ hook, type }) => hook === 'forward' && type === 'filter');
}

/** Empty for a chain that only jumps lead to. */
function parseBaseChain(message: Message): BaseChain[] {
  const attributes = parseAttributes(message.payload.subarray(NFGENMSG));
  const hook = attributes.get(NFTA_CHAIN.HOOK);
  if (!hook) return [];
  const place = parseAttributes(hook);
  const number = numberOf(place, NFTA_HOOK.NUM);
  const priority = numberOf(place, NFTA_HOOK.PRIORITY);
  const policy = numberOf(attributes, NFTA_CHAIN.POLICY);
  const words = (type: number): string => readText(attributes.get(type) ?? new Uint8Array());
  const family = wordFor(NFPROTO, familyOf(message));
  return [
    {
      family,
      table: words(NFTA_CHAIN.TABLE),
      name: words(NFTA_CHAIN.NAME),
      type: words(NFTA_CHAIN.TYPE),
      // ARP and devices have hooks of their own by the same numbers
      hook: family === 'arp' || family === 'netdev' ? number : wordFor(hooks, number),
      priority: priority | 0,
      policy: policy === policies.drop ? 'drop' : 'accept',
    },
  ];
}

function numberOf(attributes: Attributes, type: number): number {
  const number = readBe32(attributes.get(type) ?? new Uint8Array());
  if (number === null) throw malformed(`a base chain without its attribute ${type}`);
  return number;
}

function wordFor<T extends Readonly<Record<string, number>>>(words: T, number: number): keyof T | number {
  const word: keyof T | undefined = Object.keys(words).find((key) => words[key] === number);
  return word ?? number;
}

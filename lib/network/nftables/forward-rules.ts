import {
  type Attributes,
  attribute,
  malformed,
  NLM_F,
  parseAttributeList,
  parseAttributes,
  parseReplies,
  readText,
  text,
} from '../netlink.js';
import { NLM_F_DUMP_INTR } from './base-chains.js';
import { metaKeys, VERDICT_REGISTER, verdicts } from './expressions.js';
import { encodeRequest, NFGENMSG, NFPROTO, readBe32, SUBSYSTEM, typeOf } from './nfnetlink.js';
import { NFT_MSG, NFTA_RULE } from './table-requests.js';

// Rules of others, as far as they let all packets of a link through or lead all packets to another chain. What else they ask for is not
// read: such a rule counts for nothing. So what is found let through is, unless a rule before it drops some. Pure.

/** A rule that asks for the name of a link at most. */
export interface PlainRule {
  readonly chain: string;
  /** `null`: it is about all packets. */
  readonly link: {
    readonly way: 'in' | 'out' /** The beginning of its name; with the NUL after it, all of it. */;
    readonly name: Uint8Array;
  } | null;
  readonly verdict: 'accept' | { readonly to: string };
}

const NFTA_DATA = { VALUE: 1, VERDICT: 2 } as const;
const NFTA_VERDICT = { CODE: 1, CHAIN: 2 } as const;

/** Asks for the rules of a table. */
export function getRules(family: keyof typeof NFPROTO, table: string): Uint8Array {
  const type = typeOf(SUBSYSTEM.nftables, NFT_MSG.GETRULE);
  const attributes = [attribute(NFTA_RULE.TABLE, text(table))];
  return encodeRequest({ type, flags: NLM_F.REQUEST | NLM_F.DUMP, family: NFPROTO[family], attributes });
}

/**
 * The plain ones among the rules of a reply to {@link getRules}; `null` when they changed while the kernel listed them.
 *
 * @throws NacelleError `ERR_NETLINK`: the bytes are no such reply; SyscallError: the kernel refused
 */
export function parseRules(replies: Uint8Array): PlainRule[] | null {
  const messages = parseReplies(replies);
  if (messages.some(({ flags }) => (flags & NLM_F_DUMP_INTR) !== 0)) return null;
  return messages
    .filter(({ type }) => type === typeOf(SUBSYSTEM.nftables, NFT_MSG.NEWRULE))
    .flatMap(({ payload }) => parseRule(parseAttributes(payload.subarray(NFGENMSG))));
}

/** The chains that all packets of a chain come to, with itself. */
export function chainsFrom(chain: string, rules: readonly PlainRule[]): string[] {
  const found = new Set([chain]);
  // a set tells of what is added while it is walked through
  for (const one of found) {
    for (const { chain: from, link, verdict } of rules) if (from === one && link === null && verdict !== 'accept') found.add(verdict.to);
  }
  return [...found];
}

/** Whether rules of these chains let packets through that come by the link, and those that go by it. */
export function letsThrough(link: string, rules: readonly PlainRule[], chains: readonly string[]): boolean {
  const accepting = rules.filter(({ chain, verdict }) => chains.includes(chain) && verdict === 'accept');
  const name = text(link);
  const isFor =
    (way: 'in' | 'out') =>
    (rule: PlainRule): boolean =>
      rule.link === null || (rule.link.way === way && Buffer.from(name).subarray(0, rule.link.name.length).equals(rule.link.name));
  return accepting.some(isFor('in')) && accepting.some(isFor('out'));
}

function parseRule(rule: Attributes): PlainRule[] {
  const expressions = parseAttributeList(rule.get(NFTA_RULE.EXPRESSIONS) ?? new Uint8Array()).map(([, element]) => {
    const parts = parseAttributes(element);
    return { name: readText(parts.get(1) ?? new Uint8Array()), data: parseAttributes(parts.get(2) ?? new Uint8Array()) };
  });
  const asked = expressions.filter(({ name }) => name !== 'counter');
  const last = asked.pop();
  const verdict = last?.name === 'immediate' ? verdictOf(last.data) : null;
  const link = asked.length === 0 ? null : linkOf(asked);
  if (verdict === null || link === undefined) return [];
  return [{ chain: readText(rule.get(NFTA_RULE.CHAIN) ?? new Uint8Array()), link, verdict }];
}

function verdictOf(immediate: Attributes): PlainRule['verdict'] | null {
  if (numberOf(immediate, 1) !== VERDICT_REGISTER) return null;
  const data = parseAttributes(immediate.get(2) ?? new Uint8Array());
  const verdict = parseAttributes(data.get(NFTA_DATA.VERDICT) ?? new Uint8Array());
  const code = numberOf(verdict, NFTA_VERDICT.CODE) | 0;
  if (code === verdicts.accept) return 'accept';
  if (code !== verdicts.jump && code !== verdicts.goto) return null;
  return { to: readText(verdict.get(NFTA_VERDICT.CHAIN) ?? new Uint8Array()) };
}

/** `undefined` for what asks for anything but a link's name. */
function linkOf(asked: readonly { readonly name: string; readonly data: Attributes }[]): PlainRule['link'] | undefined {
  const [meta, cmp, ...more] = asked;
  if (meta?.name !== 'meta' || cmp?.name !== 'cmp' || more.length > 0 || numberOf(cmp.data, 2) !== 0) return undefined;
  const key = numberOf(meta.data, 2);
  if (key !== metaKeys.iifname && key !== metaKeys.oifname) return undefined;
  const value = parseAttributes(cmp.data.get(3) ?? new Uint8Array()).get(NFTA_DATA.VALUE) ?? new Uint8Array();
  const end = value.indexOf(0);
  return { way: key === metaKeys.iifname ? 'in' : 'out', name: end < 0 ? value : value.subarray(0, end + 1) };
}

function numberOf(attributes: Attributes, type: number): number {
  const number = readBe32(attributes.get(type) ?? new Uint8Array());
  if (number === null) throw malformed(`an expression without its attribute ${type}`);
  return number;
}

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
import { comparisons, ctKeys, metaKeys, payloadBases, VERDICT_REGISTER, verdicts } from './expressions.js';
import { encodeRequest, NFGENMSG, NFPROTO, readBe32, SUBSYSTEM, typeOf } from './nfnetlink.js';
import { NFT_MSG, NFTA_RULE } from './table-requests.js';

// Rules of others, as far as they tell what becomes of the packets of a link. Pure.

/** A field of a packet, or of its connection, that a rule looks at. */
export type Asked =
  | { readonly of: 'in' | 'out' | 'in index' | 'family' | 'state' | 'other' }
  /** Bytes of the header of IP, from its start. */
  | { readonly of: 'header'; readonly offset: number };

/** What a packet has to be for a rule to go on. */
export interface Condition {
  readonly asked: Asked;
  /** What it is compared with, of so many bytes from the field's beginning; `null`: in another way than this is read. */
  readonly compared: Comparison | null;
}

export interface Comparison {
  /** Whether it has to be the same, or another. */
  readonly is: boolean;
  readonly value: Uint8Array;
  /** The bits that are looked at; `null`: all of them. */
  readonly mask: Uint8Array | null;
}

/** `'some'`: by a map, where the field that the last condition tells of has an entry in it. */
export type Judgement = 'accept' | 'drop' | 'return' | 'some' | { readonly to: string; readonly isJump: boolean };

export interface ForeignRule {
  readonly chain: string;
  readonly conditions: readonly Condition[];
  readonly verdict: Judgement;
}

const NFTA_DATA = { VALUE: 1, VERDICT: 2 } as const;
const NFTA_VERDICT = { CODE: 1, CHAIN: 2 } as const;

/** What asks for nothing, and decides nothing. */
const BYSTANDERS = new Set(['counter', 'log', 'notrack', 'last']);

/** Asks for the rules of a table. */
export function getRules(family: keyof typeof NFPROTO, table: string): Uint8Array {
  const type = typeOf(SUBSYSTEM.nftables, NFT_MSG.GETRULE);
  const attributes = [attribute(NFTA_RULE.TABLE, text(table))];
  return encodeRequest({ type, flags: NLM_F.REQUEST | NLM_F.DUMP, family: NFPROTO[family], attributes });
}

/**
 * Those that decide something, among the rules of a reply to {@link getRules}; `null` when they changed while the kernel listed them.
 *
 * @throws NacelleError `ERR_NETLINK`: the bytes are no such reply; SyscallError: the kernel refused
 */
export function parseRules(replies: Uint8Array): ForeignRule[] | null {
  const messages = parseReplies(replies);
  if (messages.some(({ flags }) => (flags & NLM_F_DUMP_INTR) !== 0)) return null;
  return messages
    .filter(({ type }) => type === typeOf(SUBSYSTEM.nftables, NFT_MSG.NEWRULE))
    .flatMap(({ payload }) => parseRule(parseAttributes(payload.subarray(NFGENMSG))));
}

interface ShownExpression {
  readonly name: string;
  readonly data: Attributes;
}

function parseRule(rule: Attributes): ForeignRule[] {
  const expressions = parseAttributeList(rule.get(NFTA_RULE.EXPRESSIONS) ?? new Uint8Array())
    .map(([, element]): ShownExpression => {
      const parts = parseAttributes(element);
      return { name: readText(parts.get(1) ?? new Uint8Array()), data: parseAttributes(parts.get(2) ?? new Uint8Array()) };
    })
    .filter(({ name }) => !BYSTANDERS.has(name));
  const last = expressions.pop();
  const verdict = last === undefined ? null : judgementOf(last);
  if (last === undefined || verdict === null) return [];
  // a map is looked up by a field that was loaded before
  const conditions = conditionsOf(verdict === 'some' ? [...expressions, last] : expressions);
  return [{ chain: readText(rule.get(NFTA_RULE.CHAIN) ?? new Uint8Array()), conditions, verdict }];
}

/** `null` for what leaves the packet to the rules behind it. */
function judgementOf({ name, data }: ShownExpression): Judgement | null {
  if (name === 'reject') return 'drop';
  // of iptables-nft
  if (name === 'target') return readText(data.get(1) ?? new Uint8Array()) === 'REJECT' ? 'drop' : null;
  if (name === 'lookup') return data.has(3) && numberOf(data, 3) === VERDICT_REGISTER ? 'some' : null;
  return name === 'immediate' ? verdictOf(data) : null;
}

function verdictOf(immediate: Attributes): Judgement | null {
  if (numberOf(immediate, 1) !== VERDICT_REGISTER) return null;
  const data = parseAttributes(immediate.get(2) ?? new Uint8Array());
  const verdict = parseAttributes(data.get(NFTA_DATA.VERDICT) ?? new Uint8Array());
  const code = numberOf(verdict, NFTA_VERDICT.CODE) | 0;
  if (code === verdicts.accept) return 'accept';
  if (code === verdicts.drop) return 'drop';
  if (code === verdicts.return) return 'return';
  if (code !== verdicts.jump && code !== verdicts.goto) return null;
  return { to: readText(verdict.get(NFTA_VERDICT.CHAIN) ?? new Uint8Array()), isJump: code === verdicts.jump };
}

/** What a register holds. */
interface Loaded {
  readonly asked: Asked;
  readonly mask: Uint8Array | null;
  /** It is as the packet has it, or less of that. */
  readonly isRead: boolean;
}

const OTHER: Asked = { of: 'other' };

function conditionsOf(expressions: readonly ShownExpression[]): Condition[] {
  const registers = new Map<number, Loaded>();
  const load = (register: number, asked: Asked): void => void registers.set(register, { asked, mask: null, isRead: true });
  const from = (register: number): Loaded => registers.get(register) ?? { asked: OTHER, mask: null, isRead: false };
  return expressions.flatMap(({ name, data }): Condition[] => {
    if (name === 'meta' && data.has(1)) load(numberOf(data, 1), metaField(numberOf(data, 2)));
    else if (name === 'payload' && data.has(1)) load(numberOf(data, 1), headerField(data));
    else if (name === 'ct' && data.has(1)) load(numberOf(data, 1), numberOf(data, 2) === ctKeys.state ? { of: 'state' } : OTHER);
    else if (name === 'bitwise') registers.set(numberOf(data, 2), masked(from(numberOf(data, 1)), data));
    else if (name === 'cmp') return [comparison(from(numberOf(data, 1)), data)];
    else if (name === 'lookup') return [{ asked: from(numberOf(data, 2)).asked, compared: null }];
    else return [{ asked: OTHER, compared: null }];
    return [];
  });
}

function metaField(key: number): Asked {
  if (key === metaKeys.iifname) return { of: 'in' };
  if (key === metaKeys.oifname) return { of: 'out' };
  if (key === metaKeys.iif) return { of: 'in index' };
  return key === metaKeys.nfproto ? { of: 'family' } : OTHER;
}

function headerField(data: Attributes): Asked {
  return numberOf(data, 2) === payloadBases.network ? { of: 'header', offset: numberOf(data, 3) } : OTHER;
}

/** All but AND and XOR with nothing is read as no more than that the field is looked at. */
function masked({ asked, isRead }: Loaded, data: Attributes): Loaded {
  const [mask, xor] = [4, 5].map((type) => parseAttributes(data.get(type) ?? new Uint8Array()).get(NFTA_DATA.VALUE));
  const isMask = mask !== undefined && xor?.every((byte) => byte === 0) === true && (!data.has(6) || numberOf(data, 6) === 0);
  return { asked, mask: mask ?? null, isRead: isRead && isMask };
}

function comparison({ asked, mask, isRead }: Loaded, data: Attributes): Condition {
  const operator = numberOf(data, 2);
  const value = parseAttributes(data.get(3) ?? new Uint8Array()).get(NFTA_DATA.VALUE) ?? new Uint8Array();
  const isEqual = operator === comparisons['=='];
  if (!isRead || (!isEqual && operator !== comparisons['!='])) return { asked, compared: null };
  return { asked, compared: { is: isEqual, value, mask } };
}

function numberOf(attributes: Attributes, type: number): number {
  const number = readBe32(attributes.get(type) ?? new Uint8Array());
  if (number === null) throw malformed(`an expression without its attribute ${type}`);
  return number;
}

import type { Cidr } from '../address.js';
import { text } from '../netlink.js';
import type { Comparison, Condition, ForeignRule, Judgement } from './forward-rules.js';
import { NFPROTO } from './nfnetlink.js';
import { ctStates } from './values.js';

// What rules of others do with the packets of a link. What can't be known of these packets, such as where they go, is left open: a chain is told
// to drop them where nothing of what its rules ask for can save them. Pure.

/** The packets with which the containers of a network begin connections to elsewhere. */
export interface Packets {
  /** The name of the link by which they come. */
  readonly link: string;
  /** That of their addresses, one of a family at most. */
  readonly subnets: readonly Cidr[];
}

/** How deep chains may lead to each other: the kernel's NFT_JUMP_STACK_SIZE. */
const DEPTH = 16;

/** The chains that all packets of a chain come to, with itself. */
export function chainsFrom(chain: string, rules: readonly ForeignRule[]): string[] {
  const found = new Set([chain]);
  // a set tells of what is added while it is walked through
  for (const one of found) {
    for (const { chain: from, conditions, verdict } of rules) {
      if (from === one && conditions.length === 0 && typeof verdict === 'object') found.add(verdict.to);
    }
  }
  return [...found];
}

/**
 * Whether rules of these chains let packets through that come by the link, and those that go by it, whatever else they are. A rule that asks for more
 * counts for nothing, so what is found let through is, unless a rule before it drops some.
 */
export function letsThrough(link: string, rules: readonly ForeignRule[], chains: readonly string[]): boolean {
  const accepting = rules.filter(({ chain, verdict }) => chains.includes(chain) && verdict === 'accept');
  const isFor =
    (way: 'in' | 'out') =>
    ({ conditions: [first, ...more] }: ForeignRule): boolean =>
      first === undefined || (more.length === 0 && first.asked.of === way && first.compared?.is === true && isNamed(first, link) === true);
  return accepting.some(isFor('in')) && accepting.some(isFor('out'));
}

/**
 * Whether a chain drops, or rejects, all of these packets, whatever its policy. A rule that is about this link or these addresses, and asks for
 * something more, is one of whoever knows of them: where it lets packets through, the chain doesn't count as one that drops them.
 */
export function dropsAll(chain: string, rules: readonly ForeignRule[], packets: Packets, family: 4 | 6): boolean {
  const walk = (from: string, depth: number): 'passed' | 'dropped' | 'on' => {
    if (depth > DEPTH) return 'on';
    for (const rule of rules) {
      if (rule.chain !== from) continue;
      const holds = all(rule, packets, family);
      if (holds === 'no') continue;
      const end = became(rule.verdict, holds, (to) => walk(to, depth + 1));
      if (end === 'returned') return 'on';
      if (end !== 'next') return end;
    }
    return 'on';
  };
  return walk(chain, 0) === 'dropped';
}

/** `'own'`: it asks for something of these packets alone, and for more than is known. */
type Holds = 'yes' | 'no' | 'own' | 'unknown';

function became(
  verdict: Judgement,
  holds: Exclude<Holds, 'no'>,
  walk: (chain: string) => 'passed' | 'dropped' | 'on',
): 'passed' | 'dropped' | 'on' | 'returned' | 'next' {
  if (holds === 'unknown') return 'next';
  if (verdict === 'accept' || verdict === 'some') return 'passed';
  if (typeof verdict === 'string') {
    if (holds === 'own') return 'next';
    return verdict === 'drop' ? 'dropped' : 'returned';
  }
  const end = walk(verdict.to);
  if (end === 'passed') return end;
  if (holds === 'own') return 'next';
  if (end === 'dropped') return end;
  return verdict.isJump ? 'next' : 'on';
}

function all({ conditions }: ForeignRule, packets: Packets, family: 4 | 6): Holds {
  const each = conditions.map((condition) => ({ condition, holds: one(condition, packets, family) }));
  if (each.some(({ holds }) => holds === false)) return 'no';
  if (each.every(({ holds }) => holds === true)) return 'yes';
  return each.some(({ condition }) => isOwn(condition, family)) ? 'own' : 'unknown';
}

/** Whether it asks for what these packets have of their own. */
function isOwn({ asked }: Condition, family: 4 | 6): boolean {
  return asked.of === 'in' || asked.of === 'in index' || isSource(asked, family);
}

/** Where an address of the sender stands in a header: RFC 791, RFC 8200. */
function isSource(asked: Condition['asked'], family: 4 | 6): boolean {
  return asked.of === 'header' && asked.offset === (family === 4 ? 12 : 8);
}

/** `null` where that can't be known. */
function one(condition: Condition, { link, subnets }: Packets, family: 4 | 6): boolean | null {
  const { asked, compared } = condition;
  if (compared === null) return null;
  const { is, value } = compared;
  if (asked.of === 'in') return isNamed(condition, link) === is;
  if (asked.of === 'family') return (value[0] === (family === 4 ? NFPROTO.ip : NFPROTO.ip6)) === is;
  if (asked.of === 'state') return holdsOf(condition, ctStates('new').bytes);
  const subnet = subnets.find((candidate) => candidate.family === family);
  if (subnet === undefined || !isSource(asked, family)) return null;
  return ofAll(subnet, compared);
}

/** Whether the addresses of a subnet are what is asked for: all of them, or none. */
function ofAll({ bytes, prefix }: Cidr, { is, value, mask }: Comparison): boolean | null {
  if (value.length > bytes.length) return null;
  let asksMore = false;
  for (const [index, byte] of value.entries()) {
    const common = (0xff00 >> Math.min(8, Math.max(0, prefix - 8 * index))) & 0xff;
    const asked = mask?.[index] ?? 0xff;
    // by what they have in common, whatever is asked of the rest
    if (((bytes[index] ?? 0) & asked & common) !== (byte & common)) return !is;
    asksMore ||= (asked & ~common) !== 0;
  }
  return asksMore ? null : is;
}

/** Whether the name of a link is what is asked for, or begins so; the NUL behind a name is a part of it. */
function isNamed({ compared }: Condition, link: string): boolean | null {
  if (compared === null) return null;
  const end = compared.value.indexOf(0);
  const name = end < 0 ? compared.value : compared.value.subarray(0, end + 1);
  return Buffer.from(text(link)).subarray(0, name.length).equals(name);
}

/** Whether these bytes are what is asked for. */
function holdsOf({ compared }: Condition, bytes: Uint8Array): boolean | null {
  if (compared === null || compared.value.length > bytes.length) return null;
  const { is, value, mask } = compared;
  return value.every((byte, index) => ((bytes[index] ?? 0) & (mask?.[index] ?? 0xff)) === byte) === is;
}

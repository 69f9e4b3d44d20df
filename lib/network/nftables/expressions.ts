import { attribute, text } from '../netlink.js';
import { be32, NFPROTO, nested } from './nfnetlink.js';

// The expressions of nf_tables as data, and as attributes. A rule is a list of them, which the kernel runs one after the other: each loads
// something into a register, or looks at one and goes on to the next rule, or gives a verdict. The numbers are those of linux/netfilter/nf_tables.h.

/** Register 0 is the verdict; 1 to 4 have 16 bytes each; 8 to 23 are the same by words of 4 bytes. */
export type Register = number;

export const VERDICT_REGISTER: Register = 0;

/** What becomes of a packet. `return` goes on after the jump that led here, or to the chain's policy. */
export type Verdict = 'accept' | 'drop' | 'return' | { readonly jump: string } | { readonly goto: string };

export type Expression =
  /** Bytes of the packet, from the start of a header. */
  | {
      readonly op: 'payload';
      readonly base: keyof typeof payloadBases;
      readonly offset: number;
      readonly length: number;
      readonly to: Register;
    }
  | { readonly op: 'meta'; readonly key: keyof typeof metaKeys; readonly to: Register }
  | { readonly op: 'set meta'; readonly key: 'mark'; readonly from: Register }
  /** What the connection's entry tells. */
  | { readonly op: 'ct'; readonly key: keyof typeof ctKeys; readonly to: Register }
  | { readonly op: 'set ct'; readonly key: 'mark'; readonly from: Register }
  /** The kind of an address, by the routing table: RTN_*. */
  | { readonly op: 'fib'; readonly of: keyof typeof fibFlags; readonly to: Register }
  /** to = (from & mask) ^ xor */
  | { readonly op: 'bitwise'; readonly from: Register; readonly to: Register; readonly mask: Uint8Array; readonly xor: Uint8Array }
  | { readonly op: 'cmp'; readonly is: keyof typeof comparisons; readonly register: Register; readonly value: Uint8Array }
  /** Whether a set has the key; of a map, its value goes into `to`. */
  | { readonly op: 'lookup'; readonly set: string; readonly key: Register; readonly to?: Register; readonly not?: boolean }
  | { readonly op: 'immediate'; readonly to: Register; readonly value: Uint8Array }
  | { readonly op: 'verdict'; readonly verdict: Verdict }
  | {
      readonly op: 'nat';
      readonly kind: keyof typeof natKinds;
      readonly family: 'ip' | 'ip6';
      readonly address: Register;
      /** `given`: in a register of its own, and not behind the address in a map's value. */
      readonly port?: { readonly register: Register; readonly given: boolean };
    }
  | { readonly op: 'masquerade' }
  | { readonly op: 'reject'; readonly with: keyof typeof rejections }
  | { readonly op: 'counter' }
  /** The packet belongs to no connection. */
  | { readonly op: 'notrack' };

export const payloadBases = { link: 0, network: 1, transport: 2 } as const;
export const metaKeys = { protocol: 1, mark: 3, iif: 4, oif: 5, iifname: 6, oifname: 7, nfproto: 15, l4proto: 16 } as const;
export const ctKeys = { state: 0, direction: 1, status: 2, mark: 3 } as const;
export const fibFlags = { saddr: 1, daddr: 2 } as const;
export const comparisons = { '==': 0, '!=': 1 } as const;
export const natKinds = { snat: 0, dnat: 1 } as const;
/** The type, and the code: of ICMP and ICMPv6 alike, by NFT_REJECT_ICMPX_*. */
export const rejections = {
  'tcp reset': [1, 0],
  'no-route': [2, 0],
  'port-unreachable': [2, 1],
  'host-unreachable': [2, 2],
  'admin-prohibited': [2, 3],
} as const;

export const verdicts = { drop: 0, accept: 1, jump: -3, goto: -4, return: -5 } as const;
const NFT_FIB_RESULT_ADDRTYPE = 3;
const NF_NAT_RANGE_PROTO_SPECIFIED = 2;
const NFT_LOOKUP_F_INV = 1;
const NFTA_DATA = { VALUE: 1, VERDICT: 2 } as const;
const NFTA_VERDICT = { CODE: 1, CHAIN: 2 } as const;
const NFTA_EXPR = { NAME: 1, DATA: 2 } as const;
const NFTA_LIST_ELEM = 1;

/** The list of a rule's expressions, without the attribute that holds the list. */
export function encodeExpressions(expressions: readonly Expression[]): Uint8Array[] {
  return expressions.map((expression) => {
    const [name, attributes] = encode(expression);
    const data = attributes === null ? [] : [nested(NFTA_EXPR.DATA, ...attributes)];
    return nested(NFTA_LIST_ELEM, attribute(NFTA_EXPR.NAME, text(name)), ...data);
  });
}

/** A value as the kernel takes it wherever it takes one, in the attribute of that number. */
export function encodeValue(type: number, value: Uint8Array): Uint8Array {
  return nested(type, attribute(NFTA_DATA.VALUE, value));
}

export function encodeVerdict(type: number, verdict: Verdict): Uint8Array {
  return nested(type, nested(NFTA_DATA.VERDICT, ...verdictAttributes(verdict)));
}

function verdictAttributes(verdict: Verdict): Uint8Array[] {
  if (typeof verdict === 'string') return [number(NFTA_VERDICT.CODE, verdicts[verdict])];
  const [code, chain] = 'jump' in verdict ? [verdicts.jump, verdict.jump] : [verdicts.goto, verdict.goto];
  return [number(NFTA_VERDICT.CODE, code), attribute(NFTA_VERDICT.CHAIN, text(chain))];
}

/** The name by which the kernel knows the expression, and its attributes; `null` where the expression has none. */
function encode(expression: Expression): [string, Uint8Array[] | null] {
  switch (expression.op) {
    case 'payload': {
      const { base, offset, length, to } = expression;
      return ['payload', [number(1, to), number(2, payloadBases[base]), number(3, offset), number(4, length)]];
    }
    case 'meta':
      return ['meta', [number(2, metaKeys[expression.key]), number(1, expression.to)]];
    case 'set meta':
      return ['meta', [number(2, metaKeys[expression.key]), number(3, expression.from)]];
    case 'ct':
      return ['ct', [number(2, ctKeys[expression.key]), number(1, expression.to)]];
    case 'set ct':
      return ['ct', [number(2, ctKeys[expression.key]), number(4, expression.from)]];
    case 'fib':
      return ['fib', [number(3, fibFlags[expression.of]), number(2, NFT_FIB_RESULT_ADDRTYPE), number(1, expression.to)]];
    case 'bitwise': {
      const { from, to, mask, xor } = expression;
      return ['bitwise', [number(1, from), number(2, to), number(3, mask.length), encodeValue(4, mask), encodeValue(5, xor)]];
    }
    case 'cmp':
      return ['cmp', [number(1, expression.register), number(2, comparisons[expression.is]), encodeValue(3, expression.value)]];
    case 'lookup': {
      const { set, key, to, not } = expression;
      const target = to === undefined ? [] : [number(3, to)];
      return ['lookup', [number(2, key), ...target, attribute(1, text(set)), ...(not ? [number(5, NFT_LOOKUP_F_INV)] : [])]];
    }
    case 'immediate':
      return ['immediate', [number(1, expression.to), encodeValue(2, expression.value)]];
    case 'verdict':
      return ['immediate', [number(1, VERDICT_REGISTER), encodeVerdict(2, expression.verdict)]];
    case 'nat': {
      const { kind, family, address, port } = expression;
      const ports = port === undefined ? [] : [number(5, port.register), ...(port.given ? [number(7, NF_NAT_RANGE_PROTO_SPECIFIED)] : [])];
      return ['nat', [number(1, natKinds[kind]), number(2, NFPROTO[family]), number(3, address), ...ports]];
    }
    case 'masquerade':
      return ['masq', []];
    case 'reject': {
      const [type, code] = rejections[expression.with];
      return ['reject', [number(1, type), attribute(2, Uint8Array.of(code))]];
    }
    case 'counter':
      return ['counter', []];
    case 'notrack':
      return ['notrack', null];
  }
}

function number(type: number, value: number): Uint8Array {
  return attribute(type, be32(value));
}

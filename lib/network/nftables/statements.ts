import type { Address, Cidr } from '../address.js';
import { type Expression, type Register, type rejections, VERDICT_REGISTER, type Verdict } from './expressions.js';
import { ctState, ctStatus, type Field, type Guard, guardExpressions, ip6Daddr, ip6Saddr, ipDaddr, ipSaddr } from './fields.js';
import type { NamedMap, NamedSet, VerdictMap } from './table.js';
import {
  ctStates,
  ctStatuses,
  type DataType,
  dataTypes,
  inetService,
  mark,
  type Protocol,
  padded,
  type State,
  type Status,
  type Types,
  type Value,
} from './values.js';

// What rules are written of, by the words of nft(8): a match lets the packet go on to the next statement of the rule or ends the rule for it;
// the others do something with it.
//
//    rule(equals(iifname, ifname('br0')), ctStates('established', 'related'), accept)

/** A part of a rule. */
export interface Statement {
  /** What the packet must be for this to make sense. */
  readonly guards: readonly Guard[];
  readonly expressions: readonly Expression[];
}

/** A field for each type of a key. */
export type Fields<K extends Types> = { readonly [I in keyof K]: Field<K[I]> };

/** The expressions of a rule; each guard is asked for once, where it is first needed. */
export function expressionsOf(statements: readonly Statement[], family: 'inet' | 'bridge'): Expression[] {
  const asked = new Set<Guard>();
  return statements.flatMap(({ guards, expressions }) => {
    const fresh = guards.filter((guard) => !asked.has(guard));
    for (const guard of fresh) asked.add(guard);
    return [...fresh.flatMap((guard) => guardExpressions(guard, family)), ...expressions];
  });
}

// --- matches

export function equals<T extends DataType>(field: Field<T>, value: Value<T>): Statement {
  return compare(field, '==', value.bytes);
}

export function differs<T extends DataType>(field: Field<T>, value: Value<T>): Statement {
  return compare(field, '!=', value.bytes);
}

/** A name that begins so: nft's `iifname "br*"`. @throws RangeError for a beginning that no link can have */
export function startsWith(field: Field<'ifname'>, beginning: string): Statement {
  const bytes = Buffer.from(beginning);
  if (bytes.length === 0 || bytes.length >= dataTypes.ifname.size || bytes.includes(0))
    throw new RangeError(`no link's name begins with '${beginning}'`);
  return compare(field, '==', bytes);
}

/** A packet of this protocol: `meta l4proto`. */
export function protocol(name: Protocol): Statement {
  return { guards: [name], expressions: [] };
}

/** A packet of this family, or ARP: `meta nfproto`, and in a table of bridges `meta protocol`. */
export function family(name: 'ip' | 'ip6' | 'arp'): Statement {
  return { guards: [name], expressions: [] };
}

/** A packet from an address of the subnet. */
export function saddrIn(subnet: Cidr): Statement {
  return inSubnet(subnet.family === 4 ? ipSaddr : ip6Saddr, subnet, '==');
}

export function saddrNotIn(subnet: Cidr): Statement {
  return inSubnet(subnet.family === 4 ? ipSaddr : ip6Saddr, subnet, '!=');
}

/** A packet to an address of the subnet. */
export function daddrIn(subnet: Cidr): Statement {
  return inSubnet(subnet.family === 4 ? ipDaddr : ip6Daddr, subnet, '==');
}

export function daddrNotIn(subnet: Cidr): Statement {
  return inSubnet(subnet.family === 4 ? ipDaddr : ip6Daddr, subnet, '!=');
}

/** A packet whose connection is in one of these states: `ct state`. */
export function inState(...states: readonly [State, ...State[]]): Statement {
  return anyBit(ctState, ctStates(...states));
}

/** A packet whose connection has one of these marks of its own: `ct status`. */
export function hasStatus(...statuses: readonly [Status, ...Status[]]): Statement {
  return anyBit(ctStatus, ctStatuses(...statuses));
}

/** The fields together are a key of the set: `iifname . ip saddr @leases`. */
export function inSet<K extends Types>(fields: Fields<K>, set: NamedSet<K>): Statement {
  return lookUp(fields, { set: set.name });
}

export function notInSet<K extends Types>(fields: Fields<K>, set: NamedSet<K>): Statement {
  return lookUp(fields, { set: set.name, not: true });
}

// --- what is done with a packet

export const accept = verdict('accept');
export const drop = verdict('drop');
/** Goes on after the jump that led here: `return`. */
export const returns = verdict('return');
export const masquerade: Statement = statement({ op: 'masquerade' });
export const counter: Statement = statement({ op: 'counter' });
export const notrack: Statement = statement({ op: 'notrack' });

export function jump(chain: string): Statement {
  return verdict({ jump: chain });
}

export function goTo(chain: string): Statement {
  return verdict({ goto: chain });
}

/** The verdict that the map has for these fields; where it has none the next statement follows: `iifname vmap @networks`. */
export function verdictOf<K extends Types>(fields: Fields<K>, map: VerdictMap<K>): Statement {
  return lookUp(fields, { set: map.name, to: VERDICT_REGISTER });
}

/** Tells the sender. A reset answers TCP alone. */
export function reject(answer: keyof typeof rejections): Statement {
  return { guards: answer === 'tcp reset' ? ['tcp'] : [], expressions: [{ op: 'reject', with: answer }] };
}

export function setMark(value: number): Statement {
  return statement({ op: 'immediate', to: 1, value: mark(value).bytes }, { op: 'set meta', key: 'mark', from: 1 });
}

/** Marks the connection. */
export function setCtMark(value: number): Statement {
  return statement({ op: 'immediate', to: 1, value: mark(value).bytes }, { op: 'set ct', key: 'mark', from: 1 });
}

/** Sends the connection to this address instead, and to the port, which only packets of a protocol with ports can have. */
export function dnatTo(address: Address, port?: number): Statement {
  return natTo('dnat', address, port);
}

/** Has the connection come from this address. */
export function snatTo(address: Address): Statement {
  return natTo('snat', address, undefined);
}

/** Sends the connection where the map says; where it says nothing the rule ends. `dnat ip to ip daddr . meta l4proto . th dport map @ports` */
export function dnatBy<K extends Types>(
  fields: Fields<K>,
  map: NamedMap<K, readonly ['ipv4_addr' | 'ipv6_addr', 'inet_service'] | readonly ['ipv4_addr' | 'ipv6_addr']>,
): Statement {
  const [address, port] = map.data;
  const family = address === 'ipv4_addr' ? 'ip' : 'ip6';
  const found = lookUp(fields, { set: map.name, to: 1 });
  const behind = port === undefined ? {} : { port: { register: registerAt(dataTypes[address].size), given: false } };
  return {
    guards: [...new Set<Guard>([family, ...found.guards])],
    expressions: [...found.expressions, { op: 'nat', kind: 'dnat', family, address: 1, ...behind }],
  };
}

// --- their parts

function statement(...expressions: readonly Expression[]): Statement {
  return { guards: [], expressions };
}

function verdict(verdict: Verdict): Statement {
  return statement({ op: 'verdict', verdict });
}

function guardsOf(fields: readonly Field[]): Guard[] {
  return [...new Set(fields.flatMap(({ guard }) => guard ?? []))];
}

function compare(field: Field, is: '==' | '!=', value: Uint8Array): Statement {
  return { guards: guardsOf([field]), expressions: [field.load(1), { op: 'cmp', is, register: 1, value }] };
}

/** Whole bytes of a prefix are compared by loading no more, as nft does it; else the others are masked away. */
function inSubnet(field: Field, { bytes, prefix }: Cidr, is: '==' | '!='): Statement {
  const mask = Uint8Array.from(bytes, (_, index) => (0xff00 >> Math.min(8, Math.max(0, prefix - index * 8))) & 0xff);
  const network = bytes.map((byte, index) => byte & (mask[index] ?? 0));
  const load = field.load(1);
  const whole = prefix / 8;
  const guards = guardsOf([field]);
  if (load.op === 'payload' && Number.isInteger(whole) && whole > 0) {
    const value = network.subarray(0, whole);
    return {
      guards,
      expressions: [
        { ...load, length: whole },
        { op: 'cmp', is, register: 1, value },
      ],
    };
  }
  const xor = new Uint8Array(bytes.length);
  return { guards, expressions: [load, { op: 'bitwise', from: 1, to: 1, mask, xor }, { op: 'cmp', is, register: 1, value: network }] };
}

function anyBit(field: Field, { bytes }: Value): Statement {
  const none = new Uint8Array(bytes.length);
  return statement(
    field.load(1),
    { op: 'bitwise', from: 1, to: 1, mask: bytes, xor: none },
    { op: 'cmp', is: '!=', register: 1, value: none },
  );
}

/** Loads the fields one behind the other, and looks them up. */
function lookUp(fields: readonly Field[], { set, to, not = false }: { set: string; to?: Register; not?: boolean }): Statement {
  let offset = 0;
  const loads = fields.map(({ load, type }) => {
    const at = registerAt(offset);
    offset += padded(dataTypes[type].size);
    return load(at);
  });
  const target = to === undefined ? {} : { to };
  return { guards: guardsOf(fields), expressions: [...loads, { op: 'lookup', set, key: 1, not, ...target }] };
}

function natTo(kind: 'dnat' | 'snat', { family, bytes }: Address, port: number | undefined): Statement {
  const ports = port === undefined ? [] : [{ op: 'immediate', to: 2, value: inetService(port).bytes } as const];
  const given = port === undefined ? {} : { port: { register: 2, given: true } };
  const name = family === 4 ? 'ip' : 'ip6';
  return {
    guards: [name],
    expressions: [{ op: 'immediate', to: 1, value: bytes }, ...ports, { op: 'nat', kind, family: name, address: 1, ...given }],
  };
}

/** The register that begins so many bytes after the first: where it can be, one of 16 bytes, as nft calls it. */
function registerAt(offset: number): Register {
  return offset % 16 === 0 ? 1 + offset / 16 : 8 + offset / 4;
}

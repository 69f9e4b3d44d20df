import { NLM_F } from '../netlink.js';
import { NFPROTO, type Request, SUBSYSTEM, typeOf } from './nfnetlink.js';
import type { Types } from './values.js';

// A table of nftables and what it holds, as data.

export interface Table {
  /** `inet` sees IPv4 and IPv6, `bridge` what goes from port to port of a bridge. */
  readonly family: 'inet' | 'bridge';
  readonly name: string;
}

export interface Chain {
  readonly table: Table;
  readonly name: string;
  /** Where packets enter it; without it, only by a jump. */
  readonly base?: Base;
}

export interface Base {
  readonly type: 'filter' | 'nat' | 'route';
  readonly hook: keyof typeof hooks;
  /** Smaller ones are asked first. nft's names for some: raw −300, dstnat −100, filter 0, srcnat 100. */
  readonly priority: number;
  /** For packets that no rule has decided about. */
  readonly policy: 'accept' | 'drop';
}

export const hooks = { prerouting: 0, input: 1, forward: 2, output: 3, postrouting: 4 } as const;
export const policies = { drop: 0, accept: 1 } as const;

/** Keys alone. */
export interface NamedSet<K extends Types = Types> {
  readonly table: Table;
  readonly name: string;
  readonly key: K;
}

/** A value for each key. */
export interface NamedMap<K extends Types = Types, D extends Types = Types> extends NamedSet<K> {
  readonly data: D;
}

/** What becomes of a packet, for each key. */
export interface VerdictMap<K extends Types = Types> extends NamedSet<K> {
  readonly data: 'verdict';
}

/** A request about a table or what is in it. */
export function requestFor(words: string, number: number, flags: number, table: Table, attributes: readonly Uint8Array[]): Request {
  return { words, type: typeOf(SUBSYSTEM.nftables, number), flags: NLM_F.REQUEST | flags, family: NFPROTO[table.family], attributes };
}

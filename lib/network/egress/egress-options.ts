import * as z from 'zod';
import { parseOptions } from '../../options/parse-options.js';
import { readable } from '../veth-options.js';
import type { EgressListener, EgressRefusal } from './egress-refusal.js';
import { type EgressTarget, egressRule, egressText, parseEgressTarget } from './egress-target.js';

const target = readable<EgressTarget>(parseEgressTarget);

/** How long a list may be, in bytes of what the shim reads: some 900 names. `kMaxRules` in addon/shim/relay/relay_request.h. */
const MAX_RULES = 32 * 1024;
const TOO_LONG = `has more than ${MAX_RULES} bytes of entries: give wildcards or subnets`;

/** What a container's programs may connect to (docs/egress.md). */
export interface EgressOptions {
  /**
   * Names and subnets, each with its port or, without one, at every port: 'registry.example.org', '*.example.com:443' (every name below, at any
   * depth, but not example.com itself), '*', '10.1.0.0/16:5432', '[fd00::/8]:443'. An allowed name leads to public addresses alone, unless a
   * subnet of the list, of the same kind, has the address: '10.1.0.0/16' opens private addresses, '0.0.0.0/0' does not. At least one; of `allow`
   * and `deny` together at most 32 KiB, for which each entry counts with the word 'allow' or 'deny', its host and its port, a space between.
   */
  readonly allow: readonly string[];
  /** What is refused whatever allows it, in the same words; also the addresses to which names lead. Default: none. */
  readonly deny?: readonly string[] | undefined;
  /**
   * Hears of each name and TCP connection that was refused, while this process has the container; where very many are, `lost` counts those left
   * out. Of what is not TCP nobody is told. Default: none.
   */
  readonly onDenied?: ((event: EgressRefusal) => void) | undefined;
}

/** The lists alone. */
export type EgressLists = Pick<EgressOptions, 'allow' | 'deny'>;

/** Checked. */
export interface ParsedEgress {
  /** As the shim reads them. */
  readonly rules: readonly string[];
  readonly allow: readonly string[];
  readonly deny: readonly string[];
  readonly onDenied: EgressListener | null;
}

export const egressShape = {
  allow: z.array(target).min(1).readonly(),
  deny: z.array(target).readonly().optional(),
  onDenied: z.custom<EgressListener>((value) => typeof value === 'function', 'must be a function').optional(),
};

/** The option `egress` of a container. */
export const egress = z
  .strictObject(egressShape)
  .refine((list) => bytesOf(egressRules(list)) <= MAX_RULES, TOO_LONG)
  .transform(
    ({ allow, deny = [], onDenied = null }): ParsedEgress => ({
      rules: egressRules({ allow, deny }),
      allow: allow.map(egressText),
      deny: deny.map(egressText),
      onDenied,
    }),
  );

/** @throws NacelleError `ERR_INVALID_OPTION` */
export function parseEgress(given: EgressOptions): ParsedEgress {
  return parseOptions(egress, given, 'egress');
}

/** As they are told. */
export function egressTexts({ allow, deny }: Pick<ParsedEgress, 'allow' | 'deny'>): { allow: string[]; deny: string[] } {
  return { allow: [...allow], deny: [...deny] };
}

/** The rules of lists that were checked before, as they are told. @throws NacelleError `ERR_INVALID_OPTION` */
export function rulesOf(told: EgressLists): readonly string[] {
  return parseEgress(told).rules;
}

/** The list as the shim gets it: one text an entry. */
export function egressRules({
  allow,
  deny = [],
}: {
  readonly allow: readonly EgressTarget[];
  readonly deny?: readonly EgressTarget[] | undefined;
}): string[] {
  return [...allow.map((one) => egressRule('allow', one)), ...deny.map((one) => egressRule('deny', one))];
}

/** Rules are ASCII. */
function bytesOf(rules: readonly string[]): number {
  return rules.reduce((sum, rule) => sum + rule.length, 0);
}

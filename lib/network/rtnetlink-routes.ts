import type { Address, Cidr } from './address.js';
import { attribute, message, NLM_F, u32 } from './netlink.js';
import { ACKED, CREATED, familyOf, REPLACED, RTM } from './rtnetlink.js';

// Routes, and rules that choose their tables, as requests of rtnetlink(7). The numbers are those of linux/rtnetlink.h and fib_rules.h.

const RTA = { DST: 1, OIF: 4, GATEWAY: 5, PRIORITY: 6, PREFSRC: 7 } as const;
const FRA = { SRC: 2, PRIORITY: 6 } as const;
const FR_ACT_TO_TBL = 1;
/** Before the kernel's own rule of the main table (32,766), and after that of the local one (0). */
const SOURCE_PRIORITY = 1000;
const RT_SCOPE_LINK = 253;
const RT_TABLE_MAIN = 254;
const RTPROT_STATIC = 4;
const RTN_UNICAST = 1;
const RTN_LOCAL = 2;
/** Of a route that all others to the same addresses come before: they have smaller ones. */
const LAST_METRIC = 0x7fff_ffff;
const RT_SCOPE_HOST = 254;

/** Adds the default route of the gateway's family to the main table, or puts it in the place of the one that is there. */
export function newDefaultRoute(index: number, gateway: Address, { replaces = false } = {}): Uint8Array {
  // struct rtmsg: family, lengths of destination and source, tos, table, protocol, scope (universe), type, flags
  const header = Uint8Array.of(familyOf(gateway), 0, 0, 0, RT_TABLE_MAIN, RTPROT_STATIC, 0, RTN_UNICAST, 0, 0, 0, 0);
  return message(
    { type: RTM.NEWROUTE, flags: replaces ? REPLACED : CREATED },
    header,
    attribute(RTA.GATEWAY, gateway.bytes),
    attribute(RTA.OIF, u32(index)),
  );
}

/** Has packets to one address go through a link, whichever they went through before (ip-route(8): replace). */
export function setRoute(index: number, to: Address): Uint8Array {
  const scope = to.family === 4 ? RT_SCOPE_LINK : 0;
  const header = Uint8Array.of(familyOf(to), 8 * to.bytes.length, 0, 0, RT_TABLE_MAIN, RTPROT_STATIC, scope, RTN_UNICAST, 0, 0, 0, 0);
  return message({ type: RTM.NEWROUTE, flags: REPLACED }, header, attribute(RTA.DST, to.bytes), attribute(RTA.OIF, u32(index)));
}

/**
 * Adds a route through a link to a table of its own, which has the link's number: to a subnet there, or the default one by a gateway. One that is there
 * already is taken over.
 *
 * @param link from 1 to 252
 */
export function newTableRoute(link: number, route: { readonly to: Cidr } | { readonly gateway: Address }): Uint8Array {
  const [family, prefix, scope, way] =
    'to' in route
      ? [familyOf(route.to), route.to.prefix, route.to.family === 4 ? RT_SCOPE_LINK : 0, attribute(RTA.DST, route.to.bytes)]
      : [familyOf(route.gateway), 0, 0, attribute(RTA.GATEWAY, route.gateway.bytes)];
  const header = Uint8Array.of(family, prefix, 0, 0, link, RTPROT_STATIC, scope, RTN_UNICAST, 0, 0, 0, 0);
  return message({ type: RTM.NEWROUTE, flags: REPLACED }, header, way, attribute(RTA.OIF, u32(link)));
}

/** Has what is sent from an address go by the table of a link (ip-rule(8)). Where there is such a rule, there are two then, which do the same. */
export function newSourceRule(link: number, from: Address): Uint8Array {
  return aboutSourceRule({ type: RTM.NEWRULE, flags: ACKED | NLM_F.CREATE, action: FR_ACT_TO_TBL }, link, from);
}

/** Removes what {@link newSourceRule} adds. */
export function deleteSourceRule(link: number, from: Address): Uint8Array {
  return aboutSourceRule({ type: RTM.DELRULE, flags: ACKED, action: 0 }, link, from);
}

/** struct fib_rule_hdr: family, lengths of destination and source, tos, table, two that are unused, action, flags. */
function aboutSourceRule(
  { action, ...head }: { readonly type: number; readonly flags: number; readonly action: number },
  link: number,
  from: Address,
): Uint8Array {
  const header = Uint8Array.of(familyOf(from), 0, 8 * from.bytes.length, 0, link, 0, 0, action, 0, 0, 0, 0);
  return message(head, header, attribute(FRA.SRC, from.bytes), attribute(FRA.PRIORITY, u32(SOURCE_PRIORITY)));
}

/**
 * Makes all addresses of a family local that no other route leads to, by the main table, so that those of the local table come first; packets to
 * them come from this one.
 */
export function haveLocalRoute(index: number, source: Address): Uint8Array {
  return aboutLocalRoute({ type: RTM.NEWROUTE, flags: REPLACED }, index, source);
}

/** Removes what {@link haveLocalRoute} adds. */
export function deleteLocalRoute(index: number, source: Address): Uint8Array {
  return aboutLocalRoute({ type: RTM.DELROUTE, flags: ACKED }, index, source);
}

function aboutLocalRoute(head: { readonly type: number; readonly flags: number }, index: number, source: Address): Uint8Array {
  const header = Uint8Array.of(familyOf(source), 0, 0, 0, RT_TABLE_MAIN, RTPROT_STATIC, RT_SCOPE_HOST, RTN_LOCAL, 0, 0, 0, 0);
  return message(
    head,
    header,
    attribute(RTA.PREFSRC, source.bytes),
    attribute(RTA.OIF, u32(index)),
    attribute(RTA.PRIORITY, u32(LAST_METRIC)),
  );
}

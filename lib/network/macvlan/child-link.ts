import { attribute, u16, u32 } from '../netlink.js';
import { IFLA, type NewLink, newLink } from '../rtnetlink.js';

// Links that are children of another one, as bytes. The numbers are those of linux/if_link.h. Pure.

const IFLA_MACVLAN_MODE = 1;
const IFLA_IPVLAN = { MODE: 1, FLAGS: 2 } as const;

/** How the children of one link reach each other (ip-link(8): macvlan): directly, not at all, or by a switch that sends back. */
export const MACVLAN_MODES = { private: 1, vepa: 2, bridge: 4 } as const;
/** What goes between a child and its parent (Documentation/networking/ipvlan.rst): frames, packets, packets that pass this machine's rules. */
export const IPVLAN_MODES = { l2: 0, l3: 1, l3s: 2 } as const;

export type ChildKind =
  | { readonly driver: 'macvlan'; readonly mode: keyof typeof MACVLAN_MODES }
  | { readonly driver: 'ipvlan'; readonly mode: keyof typeof IPVLAN_MODES };

type ChildLink = NewLink & { readonly parent: number };

/** Makes a child of another link, whose index is `link.parent`, in the network namespace of who sends this. */
export function newChild(link: ChildLink, kind: ChildKind): Uint8Array {
  return newLink(kind.driver, link, modeOf(kind));
}

/** As {@link newChild}, in another network namespace, whose descriptor is to be written as u32 at `namespaceOffset` first. */
export function newChildIn(link: ChildLink, kind: ChildKind): { message: Uint8Array; namespaceOffset: number } {
  const request = newLink(kind.driver, link, modeOf(kind), attribute(IFLA.NET_NS_FD, u32(0)));
  return { message: request, namespaceOffset: request.length - 4 };
}

function modeOf(kind: ChildKind): Uint8Array[] {
  return kind.driver === 'macvlan'
    ? [attribute(IFLA_MACVLAN_MODE, u32(MACVLAN_MODES[kind.mode]))]
    : [attribute(IFLA_IPVLAN.MODE, u16(IPVLAN_MODES[kind.mode])), attribute(IFLA_IPVLAN.FLAGS, u16(0))];
}

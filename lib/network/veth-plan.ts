import { NETLINK_ROUTE } from '../plan/constants.js';
import { NONE, type Plan, planOf } from '../plan/plan.js';
import type { Slot, Step } from '../plan/steps.js';
import type { Address, Cidr } from './address.js';
import { getAddresses, getLink, type LinkSettings, newAddress, newVethPair, setLink } from './rtnetlink.js';
import { newDefaultRoute } from './rtnetlink-routes.js';

// A pair is made by one task, whose undo removes it, in turns, for the later ones need the kernel's answers of the earlier:
//   open       sockets in both namespaces; which addresses others have; the bridge is looked up: its index
//   make       both ends at once, or neither
//   look up    their indexes
//   configure  addresses, up, route
// The mark by which the undo knows the pair is its link group, a number of its own: by name it could remove
// another's link when ours was refused because the name was taken. The group is in the journal before the pair is made.

/** Where the two ends live, and by what they are reached. */
export interface PairSlots {
  /** NONE for the shim's own namespace, which is Node's. */
  readonly namespace: Slot;
  readonly peerNamespace: Slot;
  readonly socket: Slot;
  readonly peerSocket: Slot;
}

export interface EndAddresses {
  readonly name: string;
  readonly index: number;
  readonly addresses: readonly Cidr[];
}

export type NamedLink = LinkSettings & { readonly name: string };

export function pairPlan(socket: Slot, group: number, forget: readonly Step[]): Plan {
  return planOf({ undo: [{ op: 'remove_links', host: true, socket, group }, ...forget] });
}

/** Outputs: the addresses in this end's namespace, those in the peer's, and the bridge, when there is one. */
export function openSteps(slots: PairSlots, bridge: string | undefined): Step[] {
  return [
    { op: 'netlink_socket', out: slots.socket, ns: slots.namespace, protocol: NETLINK_ROUTE },
    { op: 'netlink_socket', out: slots.peerSocket, ns: slots.peerNamespace, protocol: NETLINK_ROUTE },
    ...addressListSteps(slots),
    ...(bridge === undefined ? [] : [request(slots.socket, `look up the bridge ${bridge}`, getLink({ name: bridge }))]),
  ];
}

/** Outputs: the addresses in this end's namespace, then those in the peer's. */
function addressListSteps(slots: PairSlots): Step[] {
  return [
    request(slots.socket, 'list the addresses', getAddresses()),
    request(slots.peerSocket, 'list the addresses of the peer', getAddresses()),
  ];
}

export function makeSteps(slots: PairSlots, end: NamedLink, peer: NamedLink): Step[] {
  const { message, namespaceOffset } = newVethPair(end, peer);
  const patch = { slot: slots.peerNamespace, offset: namespaceOffset };
  return [request(slots.socket, `make the veth pair ${end.name} and ${peer.name}`, message, patch)];
}

/** Outputs: this end, then the peer. */
export function lookUpSteps(slots: PairSlots, name: string, peerName: string): Step[] {
  return [
    request(slots.socket, `look up ${name}`, getLink({ name })),
    request(slots.peerSocket, `look up ${peerName}`, getLink({ name: peerName })),
  ];
}

/**
 * Outputs: one for each address; then the addresses of this namespace and of the peer's, asked for before the links
 * are up, when the kernel has added none of its own yet; then one for each other request.
 *
 * The peer's namespace is let go at the end: an open socket would keep it alive after its last process.
 */
export function configureSteps(
  slots: PairSlots,
  end: EndAddresses,
  peer: EndAddresses,
  options: { gateway?: Address | undefined; persist: boolean; forget: readonly Step[] },
): Step[] {
  const { gateway, persist, forget } = options;
  return [
    ...addressSteps(slots.socket, end),
    ...addressSteps(slots.peerSocket, peer),
    ...addressListSteps(slots),
    request(slots.socket, `bring up ${end.name}`, setLink(end.index, { up: true })),
    request(slots.peerSocket, `bring up ${peer.name}`, setLink(peer.index, { up: true })),
    ...(gateway ? [request(slots.peerSocket, `add the default route by ${gateway.text}`, newDefaultRoute(peer.index, gateway))] : []),
    // Once the end is out of its group, neither the undo nor a reap finds it.
    ...(persist ? [request(slots.socket, `let ${end.name} persist`, setLink(end.index, { group: 0 })), ...forget] : []),
    { op: 'close', slot: slots.peerSocket },
    { op: 'close', slot: slots.peerNamespace },
    ...(slots.namespace === NONE ? [] : [{ op: 'close', slot: slots.namespace } as const]),
  ];
}

/** Outputs: this end, then the peer, both asked for through this end's socket. */
export function statsSteps(
  socket: Slot,
  end: { name: string; index: number },
  peer: { name: string; index: number; namespaceId: number | null },
): Step[] {
  return [
    request(socket, `look up ${end.name}`, getLink({ index: end.index })),
    request(socket, `look up ${peer.name}`, getLink({ index: peer.index, namespaceId: peer.namespaceId })),
  ];
}

export function request(
  socket: Slot,
  what: string,
  message: Uint8Array,
  patch: { slot: Slot; offset: number } = { slot: NONE, offset: 0 },
): Step {
  return { op: 'netlink', host: true, socket, what, message, patch: patch.slot, patch_offset: patch.offset };
}

function addressSteps(socket: Slot, { name, index, addresses }: EndAddresses): Step[] {
  return addresses.map((address) => request(socket, `add the address ${address.text} to ${name}`, newAddress(index, address)));
}

import {
  type Attachment,
  type BridgedAttachment,
  type ChildAttachment,
  isMadeHere,
  type MadeAttachment,
} from '../../network/bridge/attach-network.js';
import { KEYS, kept, keptFrom, MOST_PLACES } from '../../network/live/kept-steps.js';
import { ADDRESS_MODE, linkDefaults } from '../../network/live/link-defaults.js';
import { type Route, routesOf } from '../../network/live/links-record.js';
import { newChildIn } from '../../network/macvlan/child-link.js';
import { type NamesService, serveNames } from '../../network/names/join-names.js';
import { awaitPasta, closeLoopback, startPasta } from '../../network/pasta/pasta-plan.js';
import { addressByMac, announceLink, lockPort, newAddress, newFdbEntry, newVethPair, setLink } from '../../network/rtnetlink.js';
import { newDefaultRoute, setRoute } from '../../network/rtnetlink-routes.js';
import type { ParsedBandwidth } from '../../network/traffic/bandwidth.js';
import { limitSteps } from '../../network/traffic/limit-steps.js';
import { request } from '../../network/veth-plan.js';
import { NETLINK_ROUTE } from '../../plan/constants.js';
import { NONE, type Slots } from '../../plan/plan.js';
import type { Slot, Step } from '../../plan/steps.js';
import { sourceRoutes, sourceSteps } from './source-routes.js';

export interface NetworkPlan {
  readonly attachments: readonly Attachment[];
  readonly hasIpv6: boolean;
  readonly names: NamesService | null;
  /** What was put in the place of these steps since is done instead, in each later run. */
  readonly canChange: boolean;
  /** The path of the program by which it reaches what this machine reaches; `null`: it has none. */
  readonly pasta: string | null;
}

/** Steps by which a network namespace gets its links. Those of the shim need no process but for its namespace. */
export interface NetworkSteps {
  /** By the process, before there is a link. */
  readonly settings: readonly Step[];
  /** By the shim. */
  readonly links: readonly Step[];
  /** By the shim, when there are links: it lets go what it had for them. */
  readonly end: readonly Step[];
}

/** One after the other, as a process does them that waits for its links. */
export function inOneRow({ settings, links, end }: NetworkSteps): Step[] {
  return [...settings, ...links, ...end];
}

/**
 * Steps that give a container's new network namespace its links. The shim makes them, for the container's root has no right over a bridge of
 * the host's. Each link goes with the namespace. Pure.
 *
 * @param of.proc the container's /proc, where it can be written to
 * @param of.kept where a socket in the namespace stays open, by which the next run removes what nobody outside can ({@link keepsChildren}); or NONE
 * @param of.bandwidth of each link; `null`: no limit
 * @param of.isAgain the run before may have left its links, whose namespace the kernel takes down in its own time
 */
export function networkSteps(
  { attachments: all, hasIpv6, names, pasta, canChange }: NetworkPlan,
  of: {
    readonly slots: Slots;
    readonly proc: Slot;
    readonly isAgain: boolean;
    readonly kept: Slot;
    readonly bandwidth: ParsedBandwidth | null;
  },
): NetworkSteps {
  const { slots, proc, isAgain, kept: keptSocket, bandwidth } = of;
  const attachments = all.filter(isMadeHere);
  const canDiffer = isAgain && canChange;
  const or = (key: number, steps: Step[]): Step[] => (canDiffer ? [kept(key, steps)] : steps);
  const later = canDiffer ? [keptFrom(KEYS.link(attachments.length), KEYS.link(MOST_PLACES - 1))] : [];
  const serve = (slot: Slot): Step[] => (names === null ? [] : [serveNames(names, slot)]);
  if (pasta !== null) {
    const settings = settingsForLinks(hasIpv6, proc, hasIpv6 ? [ADDRESS_MODE] : []);
    return { settings, links: pastaSteps(pasta, { slots, serve }), end: [] };
  }
  if (attachments.length === 0) {
    const asked = names === null ? [] : inNamespace(slots.take(), serve);
    return { settings: [], links: [...later, ...or(KEYS.limits, []), ...or(KEYS.ways, []), ...or(KEYS.names, asked)], end: [] };
  }
  const [namespace, outside, inside] = [slots.take(), slots.take(), keptSocket === NONE ? slots.take() : keptSocket];
  const links: Step[] = [
    ...(isAgain && keptSocket !== NONE ? removeChildren(attachments, keptSocket) : []),
    { op: 'open_namespace', host: true, out: namespace, type: 'net' },
    { op: 'netlink_socket', host: true, out: outside, ns: NONE, protocol: NETLINK_ROUTE },
    { op: 'netlink_socket', host: true, out: inside, ns: namespace, protocol: NETLINK_ROUTE },
    ...(isAgain ? removePorts(attachments, outside) : []),
    ...attachments.flatMap((attachment, place) => or(KEYS.link(place), linkSteps(attachment, { namespace, outside, inside, hasIpv6 }))),
    ...later,
    ...or(KEYS.limits, bandwidth === null ? [] : attachments.flatMap((one) => limitsOf(one, outside, bandwidth))),
    ...or(KEYS.ways, [
      ...waySteps(attachments, routesAmong(all), inside),
      ...(all.length < 2 ? [] : sourceSteps(sourceRoutes(attachments), inside)),
    ]),
    ...or(KEYS.names, serve(namespace)),
  ];
  // an open socket keeps the namespace alive after its last process
  const end = [...(keptSocket === NONE ? [inside] : []), outside, namespace].map((slot): Step => ({ op: 'close', host: true, slot }));
  return { settings: linkSettings({ attachments, hasIpv6 }, proc), links, end };
}

/** Steps by which a container's process has its links take no addresses from routers: before there is a link. Pure. */
export function linkSettings({ attachments, hasIpv6 }: Pick<NetworkPlan, 'attachments' | 'hasIpv6'>, proc: Slot): Step[] {
  return attachments.some(isMadeHere) ? settingsForLinks(hasIpv6, proc) : [];
}

/** The default routes that are made here: links of plugins have theirs. */
function routesAmong(all: readonly Attachment[]): Route[] {
  const plugged = 0;
  const links = all.map((one) => ({ index: isMadeHere(one) ? one.index : plugged, gateways: one.gateways }));
  return routesOf(links).filter(({ index }) => index !== plugged);
}

interface PastaSteps {
  readonly slots: Slots;
  readonly serve: (namespace: Slot) => Step[];
}

function pastaSteps(path: string, { slots, serve }: PastaSteps): Step[] {
  const said = slots.take();
  const socket = slots.take();
  const start = inNamespace(slots.take(), (namespace) => [
    ...closeLoopback(namespace, socket),
    ...startPasta(path, namespace, said),
    ...serve(namespace),
  ]);
  return [...start, ...awaitPasta(path, said)];
}

/** Whether a container has links that this machine doesn't see, and whose MAC addresses no other has as long as they are there. */
export function keepsChildren({ attachments }: Pick<NetworkPlan, 'attachments'>): boolean {
  return attachments.some((attachment) => 'child' in attachment);
}

/** Steps that remove the links of a container to bridges, with a slot for their socket. Pure. */
export function removePortsBy(socket: Slot, attachments: readonly Attachment[]): Step[] {
  return [
    { op: 'netlink_socket', host: true, out: socket, ns: NONE, protocol: NETLINK_ROUTE },
    ...removePorts(attachments, socket),
    { op: 'close', host: true, slot: socket },
  ];
}

function removePorts(attachments: readonly Attachment[], outside: Slot): Step[] {
  return attachments.flatMap((one): Step[] =>
    'port' in one ? [{ op: 'remove_links', host: true, socket: outside, group: one.port.index }] : [],
  );
}

function removeChildren(attachments: readonly Attachment[], inside: Slot): Step[] {
  const removed = attachments.flatMap((one): Step[] =>
    'child' in one ? [{ op: 'remove_link', host: true, socket: inside, index: one.index, name: one.interface, required: 0 }] : [],
  );
  return [...removed, { op: 'close', host: true, slot: inside }];
}

/** Steps with the container's network namespace in a slot. */
function inNamespace(slot: Slot, steps: (slot: Slot) => Step[]): Step[] {
  return [{ op: 'open_namespace', host: true, out: slot, type: 'net' }, ...steps(slot), { op: 'close', host: true, slot }];
}

/** Steps by which a container's process has all links that come from now on take no addresses from routers. Pure. */
export function settingsForLinks(hasIpv6: boolean, proc: Slot, more: readonly string[] = []): Step[] {
  return [...linkDefaults(hasIpv6), ...more].map((name): Step => ({ op: 'sysctl', proc, path: `net/${name}`, value: '0' }));
}

interface LinkSlots {
  readonly namespace: Slot;
  readonly outside: Slot;
  readonly inside: Slot;
}

/** The least of IPv6: RFC 8200, section 5. A link with less has nothing of it. */
const LEAST_MTU = 1280;

/** Steps that make a link of a container, with sockets on both sides. It is down: its limits come first. Pure. */
export function linkSteps(attachment: MadeAttachment, slots: LinkSlots & { readonly hasIpv6: boolean }): Step[] {
  const { interface: name, index, addresses, announces, mtu } = attachment;
  return [
    ...('child' in attachment ? childSteps(attachment, slots) : portSteps(attachment, slots)),
    ...(slots.hasIpv6 && mtu >= LEAST_MTU
      ? [request(slots.inside, `have ${name} take its link-local address from its MAC address`, addressByMac(index))]
      : []),
    ...addresses.map((address) => request(slots.inside, `add the address ${address.text} to ${name}`, newAddress(index, address))),
    ...(announces ? [request(slots.inside, `have ${name} announce its address`, announceLink(index))] : []),
  ];
}

/** Steps that bring up links, and then make default routes, with a socket inside. Pure. */
export function waySteps(
  links: readonly { readonly interface: string; readonly index: number }[],
  routes: readonly Route[],
  inside: Slot,
  options?: { replaces: boolean },
): Step[] {
  return [
    ...links.map(({ interface: name, index }) => request(inside, `bring up ${name}`, setLink(index, { up: true }))),
    ...routes.map(({ index, gateway }) =>
      request(inside, `add the default route by ${gateway.text}`, newDefaultRoute(index, gateway, options)),
    ),
  ];
}

function limitsOf(attachment: Attachment, outside: Slot, bandwidth: ParsedBandwidth): Step[] {
  return 'port' in attachment ? limitSteps(outside, attachment.port, attachment.mtu, bandwidth) : [];
}

/**
 * What a veth end sends goes straight to the other one, which takes it in by the queue of the processor that has sent it: queues of its own would
 * serve a program of XDP alone. The kernel would make one for each processor, of which each takes time to be shown below /sys, and to go.
 */
const QUEUES = 1;

function portSteps(attachment: BridgedAttachment, { namespace, outside }: LinkSlots): Step[] {
  const { network, interface: name, index, mac, mtu, port, bridge } = attachment;
  const { message, namespaceOffset } = newVethPair(
    { name: port.name, index: port.index, group: port.index, mtu, master: bridge, up: true, queues: QUEUES },
    { name, index, mac, mtu, queues: QUEUES },
  );
  return [
    request(outside, `make ${name}, the link to the network ${network}`, message, { slot: namespace, offset: namespaceOffset }),
    // a port that tells the bridge where others are could have their frames: those of the kind that no rule sees tell as well
    request(outside, `lock the port ${port.name}`, lockPort(port.index)),
    request(outside, `add the MAC address of ${port.name} to the bridge's forwarding database`, newFdbEntry(port.index, mac)),
  ];
}

/** The routes of this machine go with its own link. One that is left of a container leads where the others of that network are found too. */
function childSteps(attachment: ChildAttachment, { namespace, outside }: LinkSlots): Step[] {
  const { network, interface: name, index, mtu, addresses } = attachment;
  const { parent, kind, group, hostLink } = attachment.child;
  // where all have the parent's there is none to be given
  const mac = attachment.child.mac === null ? attachment.mac : undefined;
  const { message, namespaceOffset } = newChildIn({ name, index, mac, mtu, group, parent }, kind);
  return [
    request(outside, `make ${name}, the link to the network ${network}`, message, { slot: namespace, offset: namespaceOffset }),
    ...(hostLink === null
      ? []
      : addresses.map((address) => request(outside, `add a route to ${address.text}`, setRoute(hostLink, address)))),
  ];
}

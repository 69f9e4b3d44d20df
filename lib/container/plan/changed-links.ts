import { known, knownAddress, parseCidr } from '../../network/address.js';
import type { MadeAttachment } from '../../network/bridge/attach-network.js';
import { KEYS, keep, OWN_SLOTS, slotOf } from '../../network/live/kept-steps.js';
import { linkDefaults } from '../../network/live/link-defaults.js';
import { type LinkRecord, type LinksRecord, type Route, recordedRoutes } from '../../network/live/links-record.js';
import { type NamesService, serveNames } from '../../network/names/join-names.js';
import type { ParsedBandwidth } from '../../network/traffic/bandwidth.js';
import { limitSteps } from '../../network/traffic/limit-steps.js';
import { NETLINK_ROUTE } from '../../plan/constants.js';
import { NONE } from '../../plan/plan.js';
import type { Slot, Step } from '../../plan/steps.js';
import { linkSteps, waySteps } from './network-steps.js';
import { endSources, type SourceRoute, sourceRoutes, sourceSteps, sourcesWithout } from './source-routes.js';

// Steps by which the links of a container that lives change, and those that its next run and its end have instead of what its plan says. A list
// opens what it needs, and closes it again. Pure.

/** Where the steps of a place begin to take slots for what a network gives the container. */
export function firstSlotOf(place: number): Slot {
  return slotOf(place) + 3;
}

/** Steps that make a link in the container's network namespace, which is down. */
export function joinSteps(
  attachment: MadeAttachment,
  of: { readonly place: number; readonly hasIpv6: boolean; readonly isAgain: boolean },
): Step[] {
  const { place, hasIpv6, isAgain } = of;
  const [namespace, outside, inside] = [slotOf(place), slotOf(place) + 1, insideOf(place)];
  return [
    // the run before may have left its link, whose namespace the kernel takes down in its own time
    ...(isAgain && 'child' in attachment ? [removeChild(inside, attachment), close(inside)] : []),
    { op: 'open_namespace', host: true, out: namespace, type: 'net' },
    ...(hasIpv6 ? [{ op: 'sysctls_in', host: true, ns: namespace, paths: linkDefaults(hasIpv6), value: '0' } as const] : []),
    socket(outside, NONE),
    socket(inside, namespace),
    ...(isAgain && 'port' in attachment ? [removeGroup(outside, attachment.port.index)] : []),
    ...linkSteps(attachment, { namespace, outside, inside, hasIpv6 }),
    // nobody outside can remove a child but by a socket in its namespace
    ...('child' in attachment ? [] : [close(inside)]),
    close(outside),
    close(namespace),
  ];
}

/** Steps that end a link that was made by {@link joinSteps}: nobody who shares the container's network goes on with it, since nothing guards it. */
export function endSteps(attachment: MadeAttachment, place: number): Step[] {
  const inside = insideOf(place);
  if ('child' in attachment) return [removeChild(inside, attachment), close(inside)];
  return outsideSteps((outside) => [removeGroup(outside, attachment.port.index)]);
}

/**
 * Steps that remove a link, whoever has made it. They fail when a child is no longer in the container's network namespace: it would go on elsewhere
 * with an address that is another container's next.
 */
export function removeSteps({ port, group, index, interface: name }: LinkRecord): Step[] {
  if (port !== null) return outsideSteps((outside) => [removeGroup(outside, port.index)]);
  return group === null ? [] : insideSteps((inside) => [{ op: 'remove_link', host: true, socket: inside, index, name, required: 1 }]);
}

/** What the links' steps at the next run are, where these are the container's links. */
export function laterSteps(
  links: LinksRecord,
  of: { readonly bandwidth: ParsedBandwidth | null; readonly service: NamesService | null },
): Step[] {
  const { bandwidth, service } = of;
  return [
    keep(KEYS.limits, bandwidth === null ? [] : limitAll(links.list, bandwidth)),
    keep(KEYS.ways, openWays(links.list, recordedRoutes(links.list), recordedSources(links.list))),
    ...(service === null ? [] : [keep(KEYS.names, serveSteps(service))]),
  ];
}

/** Steps that bring up links which are new, and make the routes that all links have now and had not before. */
export function newWaySteps(before: LinksRecord, after: LinksRecord): Step[] {
  const had = recordedRoutes(before.list);
  const isNew = ({ index, gateway }: Route): boolean => !had.some((route) => route.index === index && route.gateway.text === gateway.text);
  return openWays(
    after.list.filter(({ place }) => !before.list.some((one) => one.place === place)),
    recordedRoutes(after.list).filter(isNew),
    sourcesWithout(recordedSources(after.list), recordedSources(before.list)),
  );
}

/** Steps that end the rules of addresses which the container had before, or had beside others. */
export function goneWaySteps(before: LinksRecord, after: LinksRecord): Step[] {
  const gone = sourcesWithout(recordedSources(before.list), recordedSources(after.list));
  return gone.length === 0 ? [] : insideSteps((inside) => endSources(gone, inside));
}

function recordedSources(links: readonly LinkRecord[]): SourceRoute[] {
  return sourceRoutes(
    links.map(({ index, interface: name, addresses = [], gateways }) => ({
      index,
      interface: name,
      addresses: addresses.map((text) => known(parseCidr(text))),
      gateways: gateways.map(knownAddress),
    })),
  );
}

/** Steps that limit each link which has an end on this machine. */
export function limitAll(links: readonly LinkRecord[], bandwidth: ParsedBandwidth): Step[] {
  return outsideSteps((outside) => links.flatMap(({ port, mtu }) => (port === null ? [] : limitSteps(outside, port, mtu, bandwidth))));
}

/** Steps by which the container may ask about names from now on. */
export function serveSteps(service: NamesService): Step[] {
  const { namespace } = OWN_SLOTS;
  return [{ op: 'open_namespace', host: true, out: namespace, type: 'net' }, serveNames(service, namespace), close(namespace)];
}

function openWays(links: readonly LinkRecord[], routes: readonly Route[], sources: readonly SourceRoute[]): Step[] {
  const isNone = links.length + routes.length + sources.length === 0;
  return isNone ? [] : insideSteps((inside) => [...waySteps(links, routes, inside, { replaces: true }), ...sourceSteps(sources, inside)]);
}

/** Steps with a socket in this machine's network namespace. */
export function outsideSteps(steps: (outside: Slot) => Step[]): Step[] {
  const { outside } = OWN_SLOTS;
  return [socket(outside, NONE), ...steps(outside), close(outside)];
}

function insideSteps(steps: (inside: Slot) => Step[]): Step[] {
  const { namespace, inside } = OWN_SLOTS;
  return [
    { op: 'open_namespace', host: true, out: namespace, type: 'net' },
    socket(inside, namespace),
    ...steps(inside),
    close(inside),
    close(namespace),
  ];
}

function insideOf(place: number): Slot {
  return slotOf(place) + 2;
}

function socket(out: Slot, ns: Slot): Step {
  return { op: 'netlink_socket', host: true, out, ns, protocol: NETLINK_ROUTE };
}

function removeGroup(from: Slot, group: number): Step {
  return { op: 'remove_links', host: true, socket: from, group };
}

/** Not by its group, which the program may have changed. */
function removeChild(from: Slot, { index, interface: name }: MadeAttachment): Step {
  return { op: 'remove_link', host: true, socket: from, index, name, required: 0 };
}

function close(slot: Slot): Step {
  return { op: 'close', host: true, slot };
}

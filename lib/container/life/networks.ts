import { invalidOption, NacelleError, toError, UnsupportedError, withCleanupError } from '../../errors.js';
import { containersOwner } from '../../host/container-shim.js';
import { hostOf } from '../../network/address.js';
import { attach, type MadeAttachment, type WantedNetwork } from '../../network/bridge/attach-network.js';
import { guardedIn } from '../../network/bridge/join-networks.js';
import { isPluginNetwork } from '../../network/bridge/network-file.js';
import { Parts } from '../../network/bridge/parts.js';
import { networksNamespace } from '../../network/holder/networks-place.js';
import { KEYS, keep, MOST_PLACES } from '../../network/live/kept-steps.js';
import { type LinkRecord, type LinksRecord, linkRecord } from '../../network/live/links-record.js';
import { capabilityMask } from '../../plan/capability-names.js';
import { Slots } from '../../plan/plan.js';
import type { Step } from '../../plan/steps.js';
import { endSteps, firstSlotOf, goneWaySteps, joinSteps, laterSteps, limitAll, newWaySteps, removeSteps } from '../plan/changed-links.js';
import { type ContainerRecord, networkRecord } from '../start/container-record.js';
import { callInside } from './call-inside.js';
import { inTurn } from './in-turn.js';
import type { Life } from './life.js';
import { movePorts, portsWith, portsWithout } from './moved-ports.js';
import { egressOn } from './own-egress.js';
import { firstNames, nameSteps, serviceOf } from './own-names.js';
import { requireAlive } from './require-alive.js';

// The networks of a container that lives. All that its next run and its end have to do differently is told its task in the same call that makes
// the change (lib/network/live/kept-steps.ts): so nobody needs this process for it any more.

const CONNECT = 'network.connect()';
const DISCONNECT = 'network.disconnect()';

/** @throws as `Network.connect` */
export function joinNetwork(life: Life, wanted: WantedNetwork): Promise<void> {
  return onLinks(life, CONNECT, async (links) => {
    const place = freePlace(life, links);
    const network = { ...wanted, interfaceName: interfaceFor(life, wanted) };
    const { id, name, options } = life.record.current;
    const joining = {
      id,
      name,
      hostname: links.hostname,
      owner: ownerOf(life),
      bandwidth: options?.bandwidth ?? null,
      isConfined: links.isGuided ?? false,
      signal: null,
      place,
    };
    const parts = new Parts();
    try {
      const attached = await attach(network, parts, joining);
      await parts.ready();
      // a container on no network may be older than the namespace that has them
      await make(life, { ...links, namespace: networksNamespace() }, { ...attached, parts, place });
    } catch (error) {
      parts.release(false);
      throw error;
    }
    if (life.isDetached) parts.release(true);
    else life.held.networks.set(wanted.name, parts);
  });
}

interface Joined {
  readonly attachment: MadeAttachment;
  readonly isInternal: boolean;
  readonly parts: Parts;
  readonly place: number;
}

async function make(life: Life, links: LinksRecord, { attachment, isInternal, parts, place }: Joined): Promise<void> {
  const slots = new Slots(firstSlotOf(place));
  const { prepare, undo } = parts.steps(slots);
  const leave = [...endSteps(attachment, place), ...undo];
  const link = linkRecord(attachment, { place, isInternal, leave, border: parts.border() });
  const after: LinksRecord = { ...links, isMember: true, list: [...links.list, link] };
  const before = life.record.current;
  const owner = ownerOf(life);
  const { ports, steps: portSteps } = portsWith(before.ports, { attachment, isInternal, owner });
  const bandwidth = before.options?.bandwidth ?? null;
  const current: ContainerRecord = {
    ...before,
    networks: [...before.networks, networkRecord(attachment)],
    guarded: [...before.guarded, ...guardedIn(attachment)],
    links: after,
    ports,
  };
  const { hasIpv6 } = links;
  const first = links.isMember ? null : firstNames(links, { id: life.id, owner });
  // noted first: a link of which nobody knows would have its place, and the next one could not be made
  life.note(current);
  try {
    const steps = [
      keep(KEYS.leave(place), leave),
      ...(first?.kept ?? []),
      ...portSteps,
      ...prepare,
      ...joinSteps(attachment, { place, hasIpv6, isAgain: false }),
      ...(bandwidth === null ? [] : limitAll([link], bandwidth)),
      ...newWaySteps(links, after),
      keep(KEYS.link(place), joinSteps(attachment, { place, hasIpv6, isAgain: true })),
      ...laterSteps(after, { bandwidth, service: serviceOf(after) }),
      ...nameSteps(current, { wasServed: links.isMember }),
      ...egressOn(current),
    ];
    await callInside(life, CONNECT, steps, slots.descriptors);
    if (life.isDetached) await parts.note();
  } catch (error) {
    const names = first?.undo ?? nameSteps(before, { wasServed: true });
    const service = links.isMember ? serviceOf(links) : null;
    const back = [...leave, ...forgotten(place), ...laterSteps(links, { bandwidth, service }), ...names, ...egressOn(before)];
    const failure = await life.held.task.call(back).then(() => undefined, toError);
    life.note(before);
    // a container that has ended in the meantime has undone all of it
    throw withCleanupError(error, life.hasEnded ? undefined : failure);
  }
}

/** @throws as `Network.disconnect` */
export function leaveNetwork(life: Life, name: string): Promise<void> {
  return onLinks(life, DISCONNECT, async (links) => {
    const link = links.list.find(({ network }) => network === name);
    if (!link)
      throw new NacelleError(`disconnect the container ${life.id} from the network ${name}: it isn't on it`, { code: 'ERR_NOT_CONNECTED' });
    requireOnlyChild(life, link);
    const after: LinksRecord = { ...links, list: links.list.filter((one) => one !== link) };
    const bandwidth = life.record.current.options?.bandwidth ?? null;
    const own = life.record.current.networks.find((one) => one.name === name);
    const ports = portsWithout(life, (own?.addresses ?? []).map(hostOf));
    await movePorts(life, ports);
    const { networks, guarded } = life.record.current;
    const isOther = (network: string): boolean => network !== name;
    const current: ContainerRecord = {
      ...life.record.current,
      networks: networks.filter((one) => isOther(one.name)),
      guarded: guarded.filter((one) => isOther(one.network)),
      links: after,
    };
    // what a program could make fail is the first thing, of which nothing is left, or the last one: leaving ends in between
    await callInside(life, DISCONNECT, [
      ...removeSteps(link),
      ...nameSteps(current, { wasServed: true }),
      ...laterSteps(after, { bandwidth, service: serviceOf(after) }),
      ...link.limit,
      ...link.leave,
      ...forgotten(link.place),
    ]);
    life.note(current);
    const parts = life.held.networks.get(name);
    life.held.networks.delete(name);
    parts?.release(true);
    await callInside(life, DISCONNECT, newWaySteps(links, after));
    if (links.isGuided) await callInside(life, DISCONNECT, egressOn(current));
    // last, since a program with rights in there can have it fail
    await callInside(life, DISCONNECT, goneWaySteps(links, after));
  });
}

/**
 * Of a child others can be made, which are its parent's (`macvlan_common_newlink` of the kernel), and nobody outside sees them: so a program with rights over
 * links keeps what it wants of such a network until its namespace has gone.
 *
 * @throws UnsupportedError
 */
function requireOnlyChild({ record: { current } }: Life, { group }: LinkRecord): void {
  const hasRights = (current.program.capabilities & capabilityMask('NET_ADMIN')) !== 0n;
  if (group === null || !(hasRights || current.links?.hadRights)) return;
  throw new UnsupportedError(
    DISCONNECT,
    'a program in the container has, or had, the capability NET_ADMIN, by which it can have made more links of a network of macvlan or ipvlan',
    'End the container, or run it without NET_ADMIN.',
  );
}

/** Remembers that a program with rights over the container's links ran in it. */
export function noteRights(life: Life): void {
  const { current } = life.record;
  if (current.links !== null && !current.links.hadRights) life.note({ ...current, links: { ...current.links, hadRights: true } });
}

/** The container does nothing more for what had this place. */
function forgotten(place: number): Step[] {
  return [keep(KEYS.leave(place), []), keep(KEYS.link(place), [])];
}

function onLinks(life: Life, what: string, work: (links: LinksRecord) => Promise<void>): Promise<void> {
  return inTurn(life, what, async () => {
    requireAlive(life, what);
    return work(linksOf(life, what));
  });
}

/** What of a container's networks can change. @throws UnsupportedError */
export function linksOf(life: Life, what: string): LinksRecord {
  const { links, options, networks } = life.record.current;
  if (links === null) throw new UnsupportedError(what, whyNot(options, networks));
  if (links.namespace === networksNamespace() || links.list.length === 0) return links;
  throw new UnsupportedError(what, "the container's networks are in another network namespace", 'Call it from a process there.');
}

function whyNot(options: ContainerRecord['options'], networks: ContainerRecord['networks']): string {
  if (networks.some(({ name }) => isPluginNetwork(name))) return 'plugins of CNI have made a network of the container';
  if (options === null) return 'an older version of this library made the container';
  if (options.network === 'host') return "the container has the host's network";
  if (options.network === 'joined') return 'the container shares a network that was there before: ask the one that it belongs to';
  if (options.network === 'pasta') return 'the container reaches what this machine does by pasta, and has no network';
  if (options.isolation === 'landlock') return 'the container has no network namespace of its own';
  return 'an older version of this library made the container, or it was on more than 64 networks';
}

function freePlace({ id }: Life, { list }: LinksRecord): number {
  const taken = new Set(list.map(({ place }) => place));
  for (let place = 0; place < MOST_PLACES; place++) if (!taken.has(place)) return place;
  throw new NacelleError(`connect the container ${id} to a network: it is on ${MOST_PLACES}`, { code: 'ERR_NETWORKS' });
}

function interfaceFor({ id, record: { current } }: Life, { name, interfaceName: wanted }: WantedNetwork): string {
  if (current.networks.some((one) => one.name === name)) {
    throw new NacelleError(`connect the container ${id} to the network ${name}: it is on it already`, { code: 'ERR_CONNECTED' });
  }
  const taken = new Set(current.networks.map((one) => one.interface));
  if (wanted !== null && taken.has(wanted)) throw invalidOption('interfaceName', `is ${wanted}, which the container has already`);
  let number = 0;
  while (taken.has(`eth${number}`)) number++;
  return wanted ?? `eth${number}`;
}

/** The shim that ends the container. */
export function ownerOf(life: Life): string {
  return life.isDetached ? life.id : containersOwner();
}

import { SyscallError, toError, UnsupportedError, withCleanupError } from '../../errors.js';
import { hasIpv6 } from '../../host/ipv6.js';
import { known, knownAddress, parseCidr } from '../../network/address.js';
import { type EgressOptions, egressTexts, type ParsedEgress, parseEgress, rulesOf } from '../../network/egress/egress-options.js';
import {
  changeEgress,
  changeEgressNetworks,
  egressNetworks,
  keepEgress,
  liftEgress,
  returnEgress,
} from '../../network/egress/egress-plan.js';
import { tellEgressRefusals } from '../../network/egress/egress-refusal.js';
import { KEYS, keep } from '../../network/live/kept-steps.js';
import type { LinksRecord } from '../../network/live/links-record.js';
import type { Step } from '../../plan/steps.js';
import { serveSteps } from '../plan/changed-links.js';
import type { ContainerRecord } from '../start/container-record.js';
import { callInside } from './call-inside.js';
import { inTurn } from './in-turn.js';
import type { Life } from './life.js';
import { changeBorder, requireOwnBorder } from './own-border.js';
import { serviceOf } from './own-names.js';
import { requireAlive } from './require-alive.js';

// What a container that lives may connect to, as it was noted of it.

const SET_EGRESS = 'setEgress()';

type Options = NonNullable<ContainerRecord['options']>;
type ListedOptions = Options & { readonly egress: NonNullable<Options['egress']> };

/** @throws as `Container.setEgress` */
export function setEgress(life: Life, given: EgressOptions | null): Promise<void> {
  const egress = given === null ? null : parseEgress(given);
  return inTurn(life, SET_EGRESS, async () => {
    const { options, links } = life.record.current;
    if (options === null) throw new UnsupportedError(SET_EGRESS, 'an older version of this library made the container');
    const isLifted = links?.isLifted ?? false;
    const { egress: before } = options;
    if (before === null && !isLifted) throw new UnsupportedError(SET_EGRESS, NO_LIST, 'Give it the option egress when it is made.');
    requireAlive(life, SET_EGRESS);
    if (egress === null) return before === null ? undefined : lift(life, { ...options, egress: before });
    if (before === null) return putBack(life, egress);
    await change(life, { from: rulesOf(before), to: egress.rules });
    take(life, egress);
  });
}

/** Notes a list that holds now. What was refused before is not told a listener that comes with it. */
function take(life: Life, egress: ParsedEgress, links = life.record.current.links): void {
  const {
    current,
    current: { options },
  } = life.record;
  life.note({ ...current, links, options: options === null ? null : { ...options, egress: egressTexts(egress) } });
  if (egress.onDenied === null) return;
  tellEgressRefusals(life.held.task, null);
  tellEgressRefusals(life.held.task, egress.onDenied);
}

/**
 * Where the processes that carry connections don't answer, they go by the list before as soon as they do. Where nothing is served since a list could
 * be neither lifted nor put back, it is served anew.
 */
async function change(life: Life, { from, to }: { readonly from: readonly string[]; readonly to: readonly string[] }): Promise<void> {
  const place = placeOf(life.record.current);
  try {
    await callInside(life, SET_EGRESS, changeEgress(to, place));
  } catch (error) {
    if (error instanceof SyscallError && error.code === 'ENOENT') return serveAnew(life, to);
    if (!(error instanceof SyscallError) || error.code !== 'EBUSY') throw error;
    throw withCleanupError(error, await callInside(life, SET_EGRESS, changeEgress(from, place)).then(() => undefined, toError));
  }
}

/** Lifting a list takes the border away, too, before the note says so. */
async function serveAnew(life: Life, rules: readonly string[]): Promise<void> {
  await changeBorder(life, requireChangeable(life), true);
  await callInside(life, SET_EGRESS, returnEgress(rules, placeOf(life.record.current)));
}

const NO_LIST = 'the container has none (egress), and what it reaches by its network is not led through one';

async function lift(life: Life, options: ListedOptions): Promise<void> {
  const { current } = life.record;
  const links = requireChangeable(life);
  const after: LinksRecord = { ...links, isGuided: false, isLifted: true };
  const place = placeOf(current);
  const back = [...asksAnew(links), ...returnEgress(rulesOf(options.egress), place)];
  await inside(life, [...liftEgress(place), ...asksAnew(after)], back);
  try {
    await changeBorder(life, links, false);
  } catch (error) {
    throw withCleanupError(error, await undone(life, () => life.held.task.call(back)));
  }
  life.note({ ...current, links: after, guarded: confinedPorts(current, false), options: { ...options, egress: null } });
}

async function putBack(life: Life, egress: ParsedEgress): Promise<void> {
  const { current } = life.record;
  const links = requireChangeable(life);
  const after: LinksRecord = { ...links, isGuided: true, isLifted: false };
  const place = placeOf(current);
  await changeBorder(life, links, true);
  try {
    await inside(life, [...asksAnew(after), ...returnEgress(egress.rules, place)], [...liftEgress(place), ...asksAnew(links)]);
  } catch (error) {
    throw withCleanupError(error, await undone(life, () => changeBorder(life, links, false)));
  }
  life.note({ ...current, guarded: confinedPorts(current, true) });
  take(life, egress, after);
}

/** Has the container's shim run steps, or else those that take them back. */
async function inside(life: Life, steps: readonly Step[], back: readonly Step[]): Promise<void> {
  try {
    await callInside(life, SET_EGRESS, steps);
  } catch (error) {
    throw withCleanupError(error, await undone(life, () => life.held.task.call(back)));
  }
}

async function undone(life: Life, work: () => Promise<unknown>): Promise<Error | undefined> {
  const failure = await work().then(() => undefined, toError);
  // a container that has ended in the meantime has undone all of it
  return life.hasEnded ? undefined : failure;
}

/** What whoever shares its ports later is held to. */
function confinedPorts({ guarded }: ContainerRecord, isConfined: boolean): ContainerRecord['guarded'] {
  return guarded.map((port) => ({ ...port, isConfined }));
}

/** @throws as `requireOwnBorder`; UnsupportedError */
function requireChangeable(life: Life): LinksRecord {
  const { links } = life.record.current;
  if (links === null) throw new UnsupportedError(SET_EGRESS, 'nothing of its networks can change: it is on more than 64');
  requireOwnBorder(life, SET_EGRESS, links);
  return links;
}

/**
 * Does some work while a container's list is neither lifted nor put back: by whoever begins to share its network, and holds the border of its ports from
 * then on.
 *
 * @throws what the work throws
 */
export function withList<T>(life: Life, work: () => Promise<T>): Promise<T> {
  life.learn();
  const { options, links } = life.record.current;
  const canHaveList = (options?.egress ?? null) !== null || (links?.isLifted ?? false);
  return canHaveList ? inTurn(life, 'network: container', work) : work();
}

/** Steps by which it is answered about names of networks, now and in later runs, as these links have it. */
function asksAnew(links: LinksRecord): Step[] {
  const service = links.isMember ? serviceOf(links) : null;
  return service === null ? [] : [...serveSteps(service), keep(KEYS.names, serveSteps(service))];
}

/** Steps that have a container with a list reach what its networks are now by its links, and that have its later runs do so. */
export function egressOn(record: ContainerRecord): Step[] {
  const egress = record.options?.egress ?? null;
  if (egress === null) return [];
  const place = placeOf(record);
  return [...changeEgressNetworks(place), keepEgress(rulesOf(egress), place)];
}

function placeOf({ networks, links }: ContainerRecord) {
  const places = networks.map(({ name, addresses }) => ({
    addresses: addresses.map((text) => known(parseCidr(text))),
    gateways: (links?.list.find(({ network }) => network === name)?.gateways ?? []).map(knownAddress),
  }));
  return {
    hasIpv6: hasIpv6(),
    hasPeers: links !== null || networks.length > 0,
    networks: egressNetworks(places),
  };
}

import { SyscallError, toError, UnsupportedError, withCleanupError } from '../../errors.js';
import { hasIpv6 } from '../../host/ipv6.js';
import { known, knownAddress, parseCidr } from '../../network/address.js';
import { type EgressLists, egressTexts, parseEgressLists, rulesOf } from '../../network/egress/egress-options.js';
import { changeEgress, changeEgressNetworks, egressNetworks, keepEgress } from '../../network/egress/egress-plan.js';
import type { Step } from '../../plan/steps.js';
import type { ContainerRecord } from '../start/container-record.js';
import { callInside } from './call-inside.js';
import { inTurn } from './in-turn.js';
import type { Life } from './life.js';
import { requireAlive } from './require-alive.js';

// What a container that lives may connect to, as it was noted of it.

const SET_EGRESS = 'setEgress()';

/** @throws as `Container.setEgress` */
export function setEgress(life: Life, given: EgressLists): Promise<void> {
  const lists = parseEgressLists(given);
  return inTurn(life, SET_EGRESS, async () => {
    const { options } = life.record.current;
    if (options === null) throw new UnsupportedError(SET_EGRESS, 'an older version of this library made the container');
    if (options.egress === null) throw new UnsupportedError(SET_EGRESS, NO_LIST, 'Give it the option egress when it is made.');
    requireAlive(life, SET_EGRESS);
    await change(life, { from: rulesOf(options.egress), to: lists.rules });
    life.note({ ...life.record.current, options: { ...options, egress: egressTexts(lists) } });
  });
}

/** Where the processes that carry connections don't answer, they go by the list before as soon as they do. */
async function change(life: Life, { from, to }: { readonly from: readonly string[]; readonly to: readonly string[] }): Promise<void> {
  const place = placeOf(life.record.current);
  try {
    await callInside(life, SET_EGRESS, changeEgress(to, place));
  } catch (error) {
    if (!(error instanceof SyscallError) || error.code !== 'EBUSY') throw error;
    throw withCleanupError(error, await callInside(life, SET_EGRESS, changeEgress(from, place)).then(() => undefined, toError));
  }
}

const NO_LIST = 'the container has none (egress), and what it reaches by its network is not led through one';

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

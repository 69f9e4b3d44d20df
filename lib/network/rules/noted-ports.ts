import { formatMac } from '../address.js';
import { portOf } from './guarded-port.js';
import type { NamedPort } from './own-rules.js';
import type { NotedPort } from './shared-note.js';

// Which of the ports in tables that many containers have together are taken out when one comes. Pure.

/** How many noted ports are looked at when one comes: one that has gone stays until its turn, and harms nobody. */
const LOOKED_AT = 8;

export interface ChangedPorts {
  /** What is taken out of the tables. */
  readonly gone: readonly NamedPort[];
  /** What is noted then: those that were not looked at for the longest time come first. */
  readonly left: readonly NotedPort[];
}

export function noted({ name, index, mac, addresses }: NamedPort): NotedPort {
  return { name, index, mac: formatMac(mac), addresses: addresses.map(({ text }) => text) };
}

/**
 * Of the ports that are noted those that have gone, as far as they are looked at; and each that one which comes takes the place of, whether it is
 * looked at or not: no two links have one number, or one name.
 *
 * @param ports that come, or stay for one more container
 * @param isThere whether a port is anybody's; of one that comes it isn't asked
 */
export function changedPorts(
  before: readonly NotedPort[],
  ports: readonly NamedPort[],
  { network, isThere }: { readonly network: string; readonly isThere: (port: NotedPort) => boolean },
): ChangedPorts {
  const wanted = ports.map(noted);
  const isWanted = (port: NotedPort): boolean => wanted.some((one) => isSame(one, port));
  const isReplaced = (port: NotedPort): boolean => wanted.some(({ name, index }) => name === port.name || index === port.index);
  const isGone = (port: NotedPort, place: number): boolean =>
    !isWanted(port) && (isReplaced(port) || (place < LOOKED_AT && !isThere(port)));
  const gone = before.filter(isGone);
  const stays = (port: NotedPort): boolean => !gone.includes(port);
  const added = wanted.filter((port) => !before.some((one) => isSame(one, port)));
  return {
    gone: gone.map((port) => portOf({ ...port, network })),
    left: [...before.slice(LOOKED_AT).filter(stays), ...before.slice(0, LOOKED_AT).filter(stays), ...added],
  };
}

function isSame(one: NotedPort, other: NotedPort): boolean {
  return one.name === other.name && one.index === other.index && one.mac === other.mac && one.addresses.join() === other.addresses.join();
}

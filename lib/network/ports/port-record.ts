import { NETLINK_NETFILTER } from '../../plan/constants.js';
import { NONE } from '../../plan/plan.js';
import type { Slot, Step } from '../../plan/steps.js';
import { type Address, describe, knownAddress } from '../address.js';
import { batchStep } from '../nftables/owner-table-plan.js';
import type { Table } from '../nftables/table.js';
import { createTable } from '../nftables/table-requests.js';
import { isLoopback, isWildcard, type PublishedPort, type WantedPort } from './port-mapping.js';
import { addPorts, portTableRequests, type Redirect, removePorts } from './published-rules.js';

// What a container's task has of its published ports, and the steps that change that. Pure.

/** The first slot for a port that is published while the container lives: all slots of a plan come before. */
export const FIRST_LIVE_SLOT = 3072;
/** `kMaxSlots` of addon/shim/wire/protocol.h is 4,096; the last one is the shim's. */
const LAST_LIVE_SLOT = 4094;

export interface HeldPort extends PublishedPort {
  /** The slot with the socket that keeps the port from others. */
  readonly slot: Slot;
}

/** Plain data, which other processes can read. */
export interface PortsRecord {
  /** The network namespace with the ports, by its inode number. */
  readonly namespace: number;
  /** The name of the table with their rules, and the slot of the socket to which the table belongs. */
  readonly table: string;
  readonly socket: Slot;
  /** The table has been made. */
  readonly isMade: boolean;
  /**
   * What comes to this machine is carried to the container: its networks are a user's, in a network namespace that this machine's packets don't reach. Rules there
   * lead the packets of containers, for that namespace has this machine's addresses too, where pasta has given them to it.
   */
  readonly isCarried: boolean;
  /** Where packets go: the container's addresses in networks that lead out. */
  readonly targets: readonly { readonly family: 4 | 6; readonly address: string }[];
  readonly list: readonly HeldPort[];
}

/** Host steps that lead packets to these ports to the container, whose sockets are there by then. */
export function publishSteps(record: PortsRecord, added: readonly HeldPort[]): Step[] {
  return [...ruleSteps(record, ruled(record, added)), ...relaySteps(record, added)];
}

/**
 * Whether rules lead packets to the port. What is sent to the loopback has none: its answers would come back by the bridge, to an address
 * that no link but the loopback may take packets for (ip-sysctl.rst: route_localnet). It is carried by a process of the shim instead, and so is all
 * that comes to a user's networks, where no rule changes a family.
 */
export function hasRules(record: Pick<PortsRecord, 'isCarried' | 'targets'>, port: Pick<PublishedPort, 'address'>): boolean {
  const address = addressOf(port);
  return !isLoopback(address) && targetOf(record, { address })?.family === address.family;
}

function ruled<P extends PublishedPort>(record: PortsRecord, ports: readonly P[]): P[] {
  return ports.filter((port) => hasRules(record, port));
}

function ruleSteps(record: PortsRecord, added: readonly PublishedPort[]): Step[] {
  if (added.length === 0) return [];
  const table = tableOf(record);
  const made = record.isMade ? [] : [createTable(table, { owned: true }), ...portTableRequests(table)];
  const what = `publish ${added.map(written).join(' and ')}`;
  return [
    ...(record.isMade ? [] : [{ op: 'netlink_socket', host: true, out: record.socket, ns: NONE, protocol: NETLINK_NETFILTER } as const]),
    // where the table has to be made, ports may be noted whose publisher died before that
    batchStep(record.socket, what, [
      ...made,
      ...addPorts(table, redirects(record, record.isMade ? added : merged(ruled(record, record.list), added))),
    ]),
  ];
}

/** A port at all addresses is at those of the loopback too. */
function relaySteps(record: PortsRecord, added: readonly HeldPort[]): Step[] {
  return added
    .filter((port) => record.isCarried || isWildcard(addressOf(port)) || !hasRules(record, port))
    .map((port) => {
      const { address } = known(record, port);
      const op = record.isCarried ? 'relay_port_inside' : 'relay_port';
      return { op, host: true, socket: port.slot, to: address, port: port.container };
    });
}

function merged(list: readonly PublishedPort[], added: readonly PublishedPort[]): PublishedPort[] {
  return [...list.filter((one) => !added.some((other) => isSamePort(one, other))), ...added];
}

/** Host steps that lead nobody to a port any more. */
export function unpublishSteps(record: PortsRecord, port: HeldPort): Step[] {
  const what = `publish ${written(port)} no more`;
  return [
    { op: 'stop_ports', host: true, first: port.slot, last: port.slot },
    ...(record.isMade && hasRules(record, port)
      ? [batchStep(record.socket, what, removePorts(tableOf(record), redirects(record, [port])))]
      : []),
  ];
}

/** Host steps that lead packets to other addresses of the container's than before. Each port has an address then, as it had. */
export function moveSteps(before: PortsRecord, after: PortsRecord): Step[] {
  const moved = before.list.filter((port) => {
    const wanted = { address: addressOf(port) };
    return targetOf(before, wanted)?.address !== targetOf(after, wanted)?.address;
  });
  const [ruledBefore, ruledAfter] = before.isMade ? [ruled(before, moved), ruled(after, moved)] : [[], []];
  const what = `lead ${moved.map(written).join(' and ')} to another address`;
  const table = tableOf(before);
  return [
    // at once
    ...(ruledBefore.length + ruledAfter.length === 0
      ? []
      : [
          batchStep(before.socket, what, [
            ...removePorts(table, redirects(before, ruledBefore)),
            ...addPorts(table, redirects(after, ruledAfter)),
          ]),
        ]),
    ...moved.map(({ slot }): Step => ({ op: 'stop_ports', host: true, first: slot, last: slot })),
    ...relaySteps(after, moved),
  ];
}

/** The steps of the container's end: the ways go first, then the ports are anybody's. */
export function endSteps({ socket, list }: PortsRecord): Step[] {
  return [
    { op: 'stop_ports', host: true, first: 0, last: LAST_LIVE_SLOT },
    { op: 'close', host: true, slot: socket },
    ...list.map(({ slot }): Step => ({ op: 'close', host: true, slot })),
    { op: 'close_from', host: true, first: FIRST_LIVE_SLOT },
  ];
}

/** A slot for one more port; `null` when there are a thousand. */
export function freeSlot({ list }: PortsRecord): Slot | null {
  const taken = new Set(list.map(({ slot }) => slot));
  for (let slot = FIRST_LIVE_SLOT; slot <= LAST_LIVE_SLOT; slot++) if (!taken.has(slot)) return slot;
  return null;
}

/**
 * Where packets to a port of this address go; `null` where the container has no address of the family. What is carried may change its family
 * on the way.
 */
export function targetOf<T extends { readonly family: 4 | 6 }>(
  { targets, isCarried }: { readonly targets: readonly T[]; readonly isCarried: boolean },
  { address }: Pick<WantedPort, 'address'>,
): T | null {
  const same = targets.find(({ family }) => family === address.family);
  return same ?? (isCarried || isLoopback(address) ? (targets[0] ?? null) : null);
}

/** As it is told: without what holds it. */
export function told({ container, host, address, protocol }: PublishedPort): PublishedPort {
  return { container, host, address, protocol };
}

export function isSamePort(one: PublishedPort, other: PublishedPort): boolean {
  return one.container === other.container && one.host === other.host && one.address === other.address && one.protocol === other.protocol;
}

/** The address of a published port. */
export function addressOf({ address }: Pick<PublishedPort, 'address'>): Address {
  if (address === '0.0.0.0') return describe(new Uint8Array(4));
  if (address === '::') return describe(new Uint8Array(16));
  return knownAddress(address);
}

function tableOf({ table: name }: PortsRecord): Table {
  return { family: 'inet', name };
}

function written({ host, address, protocol }: PublishedPort): string {
  return `the port ${host}/${protocol} of ${address}`;
}

function redirects(record: PortsRecord, ports: readonly PublishedPort[]): Redirect[] {
  return ports.map((port) => {
    const target = knownAddress(known(record, port).address);
    return { protocol: port.protocol, address: addressOf(port), host: port.host, to: target, container: port.container };
  });
}

/** The target of a port that was checked. */
function known(record: PortsRecord, port: PublishedPort): PortsRecord['targets'][number] {
  const target = targetOf(record, { address: addressOf(port) });
  if (target === null) throw new RangeError(`the container has no address for ${written(port)}`);
  return target;
}

import type { Slots } from '../../plan/plan.js';
import type { Slot, Step } from '../../plan/steps.js';
import type { Request } from '../nftables/nfnetlink.js';
import { batchStep, heldTables, tableName } from '../nftables/owner-table-plan.js';
import type { Table } from '../nftables/table.js';
import { createTable, deleteTable, haveTable } from '../nftables/table-requests.js';
import { fixedConfinedRequests } from './confined-rules.js';
import { borderRequests, type RuledNetwork } from './network-rules.js';
import { fixedGuardRequests, type Port } from './port-rules.js';

/** The rules of a network that a container's own shim holds, for it alone: they are made by its task, and go with that. */
export interface HeldRules {
  steps(slots: Slots): { readonly prepare: readonly Step[]; readonly undo: readonly Step[] };
  /** After `steps`. */
  border(): HeldBorder | null;
}

/** Where a task holds the border of a container's port, or would: plain data, which other processes can read. */
export interface HeldBorder {
  /** The task's socket, to which the tables belong. */
  readonly socket: Slot;
  /** The name of the tables, which are there while the port is confined. */
  readonly table: string;
}

/** @param ports the container's own, or those of the one whose network it shares, which may end before it */
export function heldRules(network: RuledNetwork, ports: readonly Port[], owner: string): HeldRules {
  const name = tableName(owner);
  const [routed, bridged] = pairOf(name);
  const confined = ports.filter(({ isConfined }) => isConfined);
  const border = `${name}-confined`;
  const requests = [
    ...borderRequests(routed, network),
    ...fixedGuardRequests(bridged, ports),
    ...(confined.length === 0 ? [] : confineRequests(border, network, confined)),
  ];
  const what = `make the rules of the bridge ${network.bridge}`;
  let socket: Slot | null = null;
  return {
    steps(slots) {
      socket = slots.take();
      return heldTables(socket, { what, tables: [routed, bridged], requests });
    },
    border: () => (socket === null ? null : { socket, table: border }),
  };
}

/** A step that confines a port whose rules a task holds, also where a process that began to do so has died. */
export function confineHeld({ socket, table }: HeldBorder, network: RuledNetwork, port: Port): Step {
  const what = `confine a port of the bridge ${network.bridge}`;
  return batchStep(socket, what, [...noTables(table), ...confineRequests(table, network, [port])]);
}

/** A step that takes that back. */
export function freeHeld({ socket, table }: HeldBorder, { bridge }: RuledNetwork): Step {
  return batchStep(socket, `confine a port of the bridge ${bridge} no more`, noTables(table));
}

/** In tables of their own, which are removed as a whole. */
function confineRequests(name: string, network: RuledNetwork, ports: readonly Port[]): Request[] {
  const [routed, bridged] = pairOf(name);
  const tables = [routed, bridged].map((table) => createTable(table, { owned: true }));
  return [...tables, ...fixedConfinedRequests({ routed, bridged }, network, ports)];
}

function noTables(name: string): Request[] {
  return pairOf(name).flatMap((table) => [haveTable(table), deleteTable(table)]);
}

function pairOf(name: string): [routed: Table, bridged: Table] {
  return [
    { family: 'inet', name },
    { family: 'bridge', name },
  ];
}

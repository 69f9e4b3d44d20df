import { closeDescriptor } from '../../native/load-addon.js';
import { NETLINK_NETFILTER } from '../../plan/constants.js';
import { NONE, type Slots } from '../../plan/plan.js';
import type { Slot, Step } from '../../plan/steps.js';
import type { Request } from '../nftables/nfnetlink.js';
import { batchStep, tableName } from '../nftables/owner-table-plan.js';
import type { Table } from '../nftables/table.js';
import { createTable, deleteTable, haveTable } from '../nftables/table-requests.js';
import { fixedConfinedRequests } from './confined-rules.js';
import type { RuledNetwork } from './network-rules.js';
import type { Port } from './port-rules.js';
import type { SharedHold } from './shared-rules.js';

/** The rules of a network that a container's own shim holds: tables that all such containers have together, and its border, which it has alone. */
export interface HeldRules {
  steps(slots: Slots): { readonly prepare: readonly Step[]; readonly undo: readonly Step[]; readonly returns: readonly Slot[] };
  /** Notes that the shim has what others look for; after a task has begun with `steps`. @throws SyscallError */
  note(): Promise<void>;
  /** Lets go what this process has of them. Once or more often. */
  release(): void;
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

/**
 * @param ports the container's own, or those of the one whose network it shares, which may end before it
 * @param of.owner its shim, which is called as the container is
 * @param of.shared the tables in which the ports are guarded already
 */
export function heldRules(
  network: RuledNetwork,
  ports: readonly Port[],
  { owner, shared }: { readonly owner: string; readonly shared: SharedHold },
): HeldRules {
  const confined = ports.filter(({ isConfined }) => isConfined);
  const border = `${tableName(owner)}-confined`;
  const what = `make the rules of the bridge ${network.bridge}`;
  let socket: Slot | null = null;
  let held: Slot | null = null;
  let isReleased = false;
  return {
    steps(slots) {
      socket = slots.take();
      const tables = slots.give(shared.fd);
      held = tables;
      return {
        prepare: [
          { op: 'netlink_socket', host: true, out: socket, ns: NONE, protocol: NETLINK_NETFILTER },
          ...(confined.length === 0 ? [] : [batchStep(socket, what, confineRequests(border, network, confined))]),
        ],
        undo: [socket, tables].map((slot): Step => ({ op: 'close', host: true, slot })),
        // a task keeps those that it gives back
        returns: [tables],
      };
    },
    async note() {
      if (held !== null) await shared.note({ id: owner, slot: held });
    },
    release() {
      if (!isReleased) closeDescriptor(shared.fd);
      isReleased = true;
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

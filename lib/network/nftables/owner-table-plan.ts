import { randomInt } from 'node:crypto';
import { NETLINK_NETFILTER, OWN_NAME } from '../../plan/constants.js';
import { NONE, type Plan, planOf } from '../../plan/plan.js';
import type { Slot, Step } from '../../plan/steps.js';
import { encodeBatch, type Request } from './nfnetlink.js';
import type { Table } from './table.js';
import { createTable } from './table-requests.js';

export interface TableSlots {
  /** NONE for the shim's own network namespace. */
  readonly namespace: Slot;
  readonly socket: Slot;
}

/** A name for a table of a shim's: the environments of a process share its shim, and two tables of one family can't have one name. */
export function tableName(owner: string): string {
  // this takes of what Node has ready: to ask for random bytes takes 0.02 ms, at each run on a network
  return `${OWN_NAME}-${owner}-${randomInt(2 ** 32)
    .toString(16)
    .padStart(8, '0')}`;
}

/** Whether a table has a name that this library gives: of this process or of another one. */
export function isOwnTable(name: string): boolean {
  return name.startsWith(`${OWN_NAME}-`);
}

/** Holds a table that belongs to the socket: whatever closes that removes the table. @param enter the steps before */
export function ownerTablePlan({ namespace, socket }: TableSlots, table: Table, enter: readonly Step[] = []): Plan {
  return planOf({
    prepare: [
      ...enter,
      { op: 'netlink_socket', host: true, out: socket, ns: namespace, protocol: NETLINK_NETFILTER },
      // at once, for an open descriptor would keep the namespace alive after its last process
      ...(namespace === NONE ? [] : [{ op: 'close', host: true, slot: namespace } as const]),
      batchStep(socket, `make the nftables table ${table.name}`, [createTable(table, { owned: true })]),
    ],
    undo: [{ op: 'close', host: true, slot: socket }],
  });
}

/** Steps of a task that has tables beside its other work: their rules are there at once, or none is. */
export function heldTables(
  socket: Slot,
  { what, tables, requests }: { what: string; tables: readonly Table[]; requests: readonly Request[] },
): { readonly prepare: readonly Step[]; readonly undo: readonly Step[] } {
  return {
    prepare: [
      { op: 'netlink_socket', host: true, out: socket, ns: NONE, protocol: NETLINK_NETFILTER },
      batchStep(socket, what, [...tables.map((table) => createTable(table, { owned: true })), ...requests]),
    ],
    undo: [{ op: 'close', host: true, slot: socket }],
  };
}

/** Changes of nftables, all of them or none. */
export function batchStep(socket: Slot, what: string, requests: readonly Request[]): Step {
  return { op: 'netlink_batch', host: true, socket, what, ...encodeBatch(requests) };
}

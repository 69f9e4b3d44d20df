import { NETLINK_NETFILTER } from '../../plan/constants.js';
import { NONE, type Plan, planOf } from '../../plan/plan.js';
import type { Slot, Step } from '../../plan/steps.js';
import { encodeBatch, NFPROTO, type Request } from './nfnetlink.js';
import type { Table } from './table.js';
import { createTable } from './table-requests.js';

export interface TableSlots {
  /** NONE for the shim's own network namespace. */
  readonly namespace: Slot;
  readonly socket: Slot;
}

/** Holds a table that belongs to the socket: whatever closes that removes the table. */
export function ownedTablePlan(slots: TableSlots, table: Table): Plan {
  return planOf({ prepare: makeSteps(slots, table, true), undo: [{ op: 'close', host: true, slot: slots.socket }] });
}

/** Holds a table that belongs to nobody, and removes it at the end of the task. */
export function recordedTablePlan(slots: TableSlots, table: Table, forget: readonly Step[]): Plan {
  const family = NFPROTO[table.family];
  return planOf({
    prepare: makeSteps(slots, table, false),
    undo: [{ op: 'remove_table', host: true, socket: slots.socket, family, table: table.name }, ...forget],
  });
}

/** Changes of nftables, all of them or none. */
export function batchStep(socket: Slot, what: string, requests: readonly Request[]): Step {
  return { op: 'netlink_batch', host: true, socket, what, ...encodeBatch(requests) };
}

/** The namespace is let go at once: an open descriptor would keep it alive after its last process. */
function makeSteps({ namespace, socket }: TableSlots, table: Table, owned: boolean): Step[] {
  return [
    { op: 'netlink_socket', host: true, out: socket, ns: namespace, protocol: NETLINK_NETFILTER },
    ...(namespace === NONE ? [] : [{ op: 'close', host: true, slot: namespace } as const]),
    batchStep(socket, `make the nftables table ${table.name}`, [createTable(table, { owned })]),
  ];
}

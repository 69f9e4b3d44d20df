import { randomBytes } from 'node:crypto';
import { fstatSync, statSync } from 'node:fs';
import { hasCode } from '../../errors.js';
import { writeRecord } from '../../host/journal.js';
import { reapFirst } from '../../host/reap.js';
import { removeRecorded, withRecord } from '../../host/recorded.js';
import { asyncDispose } from '../../native/async-dispose.js';
import { type Holding, hold, release } from '../../native/host-work.js';
import { ownShim } from '../../native/shim.js';
import { attempt } from '../../native/system-errors.js';
import { OWN_NAME } from '../../plan/constants.js';
import { NONE, Slots } from '../../plan/plan.js';
import type { Slot } from '../../plan/steps.js';
import { NFPROTO, type Request } from './nfnetlink.js';
import { batchStep, ownedTablePlan, recordedTablePlan } from './owner-table-plan.js';
import type { Table } from './table.js';

export interface OwnerTableOptions {
  /** Default: inet. */
  readonly family?: Table['family'];
  /** The network namespace that it is in; the caller's descriptor stays open. Default: the one that the shim is in, which is Node's own. */
  readonly namespace?: { readonly fd: number };
  /** Whether the kernel is asked for a table that belongs to a socket. `false` does without, as on kernels before 5.12. Default: true. */
  readonly owned?: boolean;
}

interface Opened {
  readonly holding: Holding;
  readonly socket: Slot;
  /** Ends the task, and removes the table where that does not go with the socket. */
  readonly remove: () => Promise<void>;
}

/**
 * A table of nftables that lives as long as its owner: this object, this Node process, its shim, whichever ends first.
 *
 * Where the kernel can (Linux 5.12), the table belongs to a socket that the shim holds: nobody else changes it, `nft flush ruleset` leaves
 * it, and it goes with the shim, however that dies. Elsewhere it has a record, by which the next reap removes it, and anybody may change it.
 */
export class OwnerTable implements AsyncDisposable {
  readonly #opened: Opened;
  #closed: Promise<void> | undefined;
  readonly table: Table;

  private constructor(table: Table, opened: Opened) {
    this.table = table;
    this.#opened = opened;
  }

  /** @throws SyscallError `EPROTONOSUPPORT` or `EOPNOTSUPP`: the kernel has no nf_tables; `EPERM`: CAP_NET_ADMIN over the namespace is missing */
  static async open({ family = 'inet', namespace, owned = true }: OwnerTableOptions = {}): Promise<OwnerTable> {
    await reapFirst();
    const { owner } = ownShim();
    // the environments of a process share its shim, and two tables of one family can't have one name
    const table: Table = { family, name: `${OWN_NAME}-${owner}-${randomBytes(4).toString('hex')}` };
    const opened = owned ? await openOwned(table, namespace?.fd) : null;
    return new OwnerTable(table, opened ?? (await openRecorded(table, namespace?.fd, owner)));
  }

  /**
   * Makes changes, all of them or none. Those of several calls are made in the order of the calls.
   *
   * @param what in words, for the error's message, which also says which change the kernel refused, and why
   * @throws SyscallError
   */
  async apply(what: string, requests: readonly Request[]): Promise<void> {
    if (requests.length === 0) return;
    const { holding, socket } = this.#opened;
    await holding.task.call([batchStep(socket, what, requests)]);
  }

  /** Removes the table with all that is in it. */
  close(): Promise<void> {
    this.#closed ??= this.#opened.remove();
    return this.#closed;
  }

  [asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** `null` where the kernel knows no tables that belong to a socket. */
async function openOwned(table: Table, namespace: number | undefined): Promise<Opened | null> {
  const { slots, places } = slotsFor(namespace);
  try {
    const holding = await hold(ownedTablePlan(places, table), slots.descriptors);
    return { holding, socket: places.socket, remove: () => release([holding]) };
  } catch (error) {
    if (hasCode(error, 'EINVAL', 'EOPNOTSUPP')) return null;
    throw error;
  }
}

async function openRecorded(table: Table, namespace: number | undefined, owner: string): Promise<Opened> {
  const { slots, places } = slotsFor(namespace);
  const { ino } = attempt('look at the network namespace', () =>
    namespace === undefined ? statSync('/proc/self/ns/net') : fstatSync(namespace),
  );
  const forget = writeRecord(owner, table.name, [{ kind: 'nftables', family: NFPROTO[table.family], table: table.name, namespace: ino }]);
  const holding = await withRecord(forget, () => hold(recordedTablePlan(places, table, forget), slots.descriptors));
  return { holding, socket: places.socket, remove: () => removeRecorded(forget, holding) };
}

function slotsFor(namespace: number | undefined) {
  const slots = new Slots();
  const given = namespace === undefined ? NONE : slots.give(namespace);
  return { slots, places: { namespace: given, socket: slots.take() } };
}

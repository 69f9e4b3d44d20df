import { hasCode, UnsupportedError } from '../../errors.js';
import { reapFirst } from '../../host/reap.js';
import { asyncDispose } from '../../native/async-dispose.js';
import { type Holding, hold, release } from '../../native/host-work.js';
import { ownShim } from '../../native/shim.js';
import { NONE, Slots } from '../../plan/plan.js';
import type { Slot } from '../../plan/steps.js';
import type { Address } from '../address.js';
import type { NetworksPlace } from '../holder/networks-place.js';
import { forgetConnectionsOf } from './forget-connections.js';
import { type Batch, encodeBatch, type Request } from './nfnetlink.js';
import { ownerTablePlan, tableName } from './owner-table-plan.js';
import type { Table } from './table.js';

export interface OwnerTableOptions {
  /** Default: inet. */
  readonly family?: Table['family'];
  /** The network namespace that it is in; the caller's descriptor stays open. Default: the one that the shim is in, which is Node's own. */
  readonly namespace?: { readonly fd: number };
  /** Default: this process's own shim, in that namespace. */
  readonly place?: Pick<NetworksPlace, 'shim' | 'enter'>;
}

/**
 * A table of nftables that lives as long as its owner: this object, this Node process, its shim, whichever ends first.
 *
 * The table belongs to a socket that the shim holds (Linux 5.12): nobody else changes it, `nft flush ruleset` leaves it, and it goes with the
 * shim, however that dies.
 */
export class OwnerTable implements AsyncDisposable {
  readonly #holding: Holding;
  readonly #socket: Slot;
  #closed: Promise<void> | undefined;
  readonly table: Table;

  private constructor(table: Table, holding: Holding, socket: Slot) {
    this.table = table;
    this.#holding = holding;
    this.#socket = socket;
  }

  /**
   * @throws SyscallError `EPROTONOSUPPORT`: the kernel has no nf_tables; `EPERM`: CAP_NET_ADMIN over the namespace is missing;
   * UnsupportedError: the kernel knows no tables with an owner
   */
  static async open({ family = 'inet', namespace, place }: OwnerTableOptions = {}): Promise<OwnerTable> {
    const { shim, enter } = place ?? { shim: ownShim(), enter: [] };
    await reapFirst(shim);
    const { owner } = shim;
    const table: Table = { family, name: tableName(owner) };
    const slots = new Slots();
    const given = namespace === undefined ? NONE : slots.give(namespace.fd);
    const socket = slots.take();
    try {
      const plan = ownerTablePlan({ namespace: given, socket }, table, enter);
      return new OwnerTable(table, await hold(plan, slots.descriptors, { on: shim }), socket);
    } catch (error) {
      throw hasCode(error, 'EINVAL', 'EOPNOTSUPP') ? withoutOwners(error) : error;
    }
  }

  /**
   * Makes changes, all of them or none. Those of several calls are made in the order of the calls.
   *
   * @param what in words, for the error's message, which also says which change the kernel refused, and why
   * @throws SyscallError
   */
  async apply(what: string, requests: readonly Request[]): Promise<void> {
    if (requests.length > 0) await this.applyBatch(what, encodeBatch(requests));
  }

  /** As {@link apply}, of changes that are encoded. */
  async applyBatch(what: string, batch: Batch): Promise<void> {
    await this.#holding.task.call([{ op: 'netlink_batch', host: true, socket: this.#socket, what, ...batch }]);
  }

  /** Has the kernel forget the connections of some addresses, by the table's socket. @throws as `forgetConnections` */
  async forget(addresses: readonly Address[]): Promise<void> {
    await forgetConnectionsOf(this.#holding.task, this.#socket, addresses);
  }

  /** Removes the table with all that is in it. */
  close(): Promise<void> {
    this.#closed ??= release([this.#holding]);
    return this.#closed;
  }

  [asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** A kernel that was asked for a flag it does not know. */
function withoutOwners(cause: unknown): UnsupportedError {
  const reason = 'the kernel knows no nftables tables that go with their owner';
  return new UnsupportedError('a network with a bridge', reason, 'Linux 5.12 or later has them, with nf_tables.', { cause });
}

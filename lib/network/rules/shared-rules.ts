import { hasCode, NacelleError, withCleanupError } from '../../errors.js';
import { type Holding, hold, release } from '../../native/host-work.js';
import { closeDescriptor } from '../../native/load-addon.js';
import { decodeListed } from '../../native/messages.js';
import { Request } from '../../native/protocol.js';
import { shimFolder } from '../../native/runtime-dir.js';
import { connectTo } from '../../native/shim.js';
import { isShimLost } from '../../native/shim-error.js';
import { planOf, Slots } from '../../plan/plan.js';
import type { Slot, Step } from '../../plan/steps.js';
import { hostOf } from '../address.js';
import { withNetwork } from '../bridge/network-folder.js';
import { isAddressTaken } from '../bridge/offers.js';
import type { NetworksPlace } from '../holder/networks-place.js';
import { batchStep, heldTables, tableName } from '../nftables/owner-table-plan.js';
import type { Table } from '../nftables/table.js';
import { isNetworksLink } from '../own-link.js';
import { borderRequests, type RuledNetwork } from './network-rules.js';
import { changedPorts, noted } from './noted-ports.js';
import type { NamedPort } from './own-rules.js';
import { guardRequests, portRequests } from './port-rules.js';
import { type NotedPort, noteHolder, readSharedNote, rulesKey, type SharedNote, writeSharedNote } from './shared-note.js';

/** What a container's shim is given, so that the tables with its rules stay as long as that shim. */
export interface SharedHold {
  /** A copy of the tables' socket, which is the caller's to close. */
  readonly fd: number;
  /** Notes that the shim of this container has the socket, in this slot. @throws SyscallError */
  note(holder: SharedNote['holders'][number]): Promise<void>;
}

interface Held {
  readonly holding: Holding;
  readonly socket: Slot;
  readonly table: string;
}

/** How many of those that are noted to hold the tables are waited for in vain: whoever has gone says so at once, but a shim that stands still says nothing. */
const WAITED_FOR = 2;

/**
 * The rules of a network in tables that all of its detached containers have together, whoever has made them: with tables of its own each would have every
 * packet meet some chains more.
 *
 * The tables belong to a socket, of which the shim of each such container has a copy: so they are there until the last of these has ended, however
 * that was. Only who has the network's lock uses the socket, to add the ports of a container that is about to be made; the shims hold it and no more.
 */
export class SharedRules {
  readonly #name: string;
  readonly #network: RuledNetwork;
  readonly #place: NetworksPlace;
  #held: Held | null = null;

  /** @param name of the network */
  constructor(name: string, network: RuledNetwork, place: NetworksPlace) {
    this.#name = name;
    this.#network = network;
    this.#place = place;
  }

  /**
   * Has the containers behind these ports send nothing but their own, from the first frame: the ports need not be there yet. What holds for the whole
   * network holds from now on too.
   *
   * @throws SyscallError; UnsupportedError as `OwnerTable.open`
   */
  guard(ports: readonly NamedPort[]): Promise<SharedHold> {
    return withNetwork(this.#name, async () => {
      const held = (await this.#guardWhereFound(ports)) ?? (await this.#guardAnew(ports));
      const { descriptors } = await held.holding.task.call([], { returns: [held.socket] });
      const fd = descriptors.get(held.socket);
      if (fd === undefined) throw new NacelleError('the shim gives what a call returns', { code: 'ERR_INTERNAL' });
      return { fd, note: (holder) => withNetwork(this.#name, async () => noteHolder(this.#name, held.table, holder)) };
    });
  }

  /** Lets go what this process has of the tables. */
  async close(): Promise<void> {
    const held = this.#held;
    this.#held = null;
    if (held !== null) await release([held.holding]);
  }

  /** In the tables that are noted; `null` where nobody has these any more, or they take no more. */
  async #guardWhereFound(ports: readonly NamedPort[]): Promise<Held | null> {
    const note = readSharedNote(this.#name);
    if (note === null || note.key !== rulesKey(this.#network)) return null;
    const held = this.#held?.table === note.table ? this.#held : await this.#adopt(note);
    if (held === null) return null;
    const { gone, left } = changedPorts(note.ports, ports, { network: this.#name, isThere: (port) => isThere(this.#name, port) });
    try {
      // those that are there already too, for whoever shares them: the kernel then tells whether these are the tables
      await held.holding.task.call([this.#step(held, ports, gone)]);
    } catch (error) {
      // a process that was killed between this change and its note, or a shim that has died: there are other tables from now on
      if (!hasCode(error, 'ENOENT', 'EEXIST', 'EPERM', 'ERR_ENDED') && !isShimLost(error)) throw error;
      return null;
    }
    writeSharedNote(this.#name, { ...note, ports: [...left] });
    return held;
  }

  async #guardAnew(ports: readonly NamedPort[]): Promise<Held> {
    const held = await this.#make();
    try {
      await held.holding.task.call([this.#step(held, ports, [])]);
      writeSharedNote(this.#name, { table: held.table, key: rulesKey(this.#network), holders: [], ports: ports.map(noted) });
    } catch (error) {
      const failure = await release([held.holding]).then(
        () => undefined,
        (cause: Error) => cause,
      );
      throw withCleanupError(error, failure);
    }
    await this.#keep(held);
    return held;
  }

  async #make(): Promise<Held> {
    const { shim, enter } = this.#place;
    const table = tableName(shim.owner);
    const slots = new Slots();
    const socket = slots.take();
    const [routed, bridged] = pairOf(table);
    const requests = [...borderRequests(routed, this.#network), ...guardRequests(bridged)];
    const { prepare, undo } = heldTables(socket, { what: this.#what(), tables: [routed, bridged], requests });
    const plan = planOf({ prepare: [...enter, ...prepare], undo });
    return { holding: await hold(plan, slots.descriptors, { on: shim }), socket, table };
  }

  /** The tables of another process's containers, by the socket that one of their shims gives. */
  async #adopt({ table, holders }: SharedNote): Promise<Held | null> {
    let waitedFor = 0;
    for (const holder of holders.toReversed()) {
      const fd = await socketOf(holder);
      if (fd === 'silent' && ++waitedFor === WAITED_FOR) return null;
      if (fd === 'silent' || fd === null) continue;
      const slots = new Slots();
      const socket = slots.give(fd);
      try {
        const plan = planOf({ undo: [{ op: 'close', host: true, slot: socket }] });
        const held = { holding: await hold(plan, slots.descriptors, { on: this.#place.shim }), socket, table };
        await this.#keep(held);
        return held;
      } finally {
        closeDescriptor(fd);
      }
    }
    return null;
  }

  /** Those of before go on with whoever else has them. @throws as `close`, and has these all the same */
  async #keep(held: Held): Promise<void> {
    const before = this.#held;
    this.#held = held;
    if (before === null) return;
    await release([before.holding]).catch((error: unknown) => {
      // what a shim had has gone with it
      if (!isShimLost(error)) throw error;
    });
  }

  #step({ socket, table }: Held, added: readonly NamedPort[], removed: readonly NamedPort[]): Step {
    const [, bridged] = pairOf(table);
    return batchStep(socket, this.#what(), portRequests(bridged, { added, removed }));
  }

  #what(): string {
    return `make the rules of the bridge ${this.#network.bridge}`;
  }
}

function pairOf(name: string): [routed: Table, bridged: Table] {
  return [
    { family: 'inet', name },
    { family: 'bridge', name },
  ];
}

/**
 * Whether a port is a container's, which may have no link yet or none between two of its runs, or the link is there for whoever shares the network of
 * one that has ended. In this order: a link that comes is of an address that is taken.
 */
function isThere(network: string, { name, addresses: [first] }: NotedPort): boolean {
  return (first !== undefined && isAddressTaken(network, hostOf(first))) || isNetworksLink(name);
}

/** A copy of what a container's shim has in a slot; `null` where that shim has gone, or ends just now; 'silent' where it does not answer. */
async function socketOf({ id, slot }: SharedNote['holders'][number]): Promise<number | 'silent' | null> {
  try {
    const connection = connectTo(shimFolder(id));
    try {
      await connection.introduce();
      const [kept] = decodeListed(await connection.ask(Request.list));
      const attached = kept === undefined ? null : await connection.attach(kept.key);
      if (attached === null) return null;
      attached.task.ended.catch(() => undefined);
      const { descriptors } = await attached.task.call([], { returns: [slot] });
      return descriptors.get(slot) ?? null;
    } finally {
      connection.close();
    }
  } catch (error) {
    if (hasCode(error, 'ERR_SHIM_SILENT')) return 'silent';
    const isGone = hasCode(error, 'ENOENT', 'ECONNREFUSED', 'EBADF', 'ERR_ENDED', 'ERR_SHIM_VERSION');
    if (isGone || isShimLost(error)) return null;
    throw error;
  }
}

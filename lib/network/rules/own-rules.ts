import { doAll, NacelleError, toError, withCleanupError } from '../../errors.js';
import { clearTimeout, setTimeout } from '../../native/clock.js';
import type { Address } from '../address.js';
import type { NetworksPlace } from '../holder/networks-place.js';
import type { ConnectionCount } from '../nftables/connection-count.js';
import type { Request } from '../nftables/nfnetlink.js';
import { OwnerTable } from '../nftables/owner-table.js';
import { isNetworksLink } from '../own-link.js';
import { addressesOf, confineBridged, confinedAddresses, confinedPorts, confineRouted } from './confined-rules.js';
import { borderRequests, type RuledNetwork } from './network-rules.js';
import { PortBatches } from './port-batches.js';
import { guardRequests, type Port, portRequests } from './port-rules.js';

/** A bridge port that a process guards. */
export interface NamedPort extends Port {
  readonly name: string;
}

/** Ports of ended containers that one `guard` checks: each check may wait for the kernel, and four for one that comes empty the list. */
const LOOKED_AT = 4;

/** ms until it is looked whether the port of a confined container that has ended is gone; twice as long each time after that, up to the last. */
const LOOKS = { first: 10, last: 1000 };

/**
 * The rules of a network in tables of this process's shim, with the ports of its containers.
 *
 * A port is guarded for as long as it is there, which may be longer than its container: others may have joined the container's network
 * namespace, and the kernel takes a namespace down in its own time. So a port that is gone is forgotten when the next one comes. A confined one is
 * looked after: the container that gets its address next may be another process's, and would be dropped what this table knows by that address.
 */
export class OwnRules {
  readonly #routed: OwnerTable;
  readonly #bridged: OwnerTable;
  readonly #network: RuledNetwork;
  readonly #batches: PortBatches;
  readonly #connections: Pick<ConnectionCount, 'isNone'>;
  /** By which addresses this machine knows confined ports, and the numbers of these. */
  readonly #confined = new Map<string, { readonly address: Address; readonly port: number }>();
  #confines = false;
  /** The change of {@link #confined} that was begun last; `null`: no port was ever confined. */
  #confining: Promise<unknown> | null = null;
  #look: ReturnType<typeof setTimeout> | undefined;
  /** By their numbers. */
  readonly #ports = new Map<number, { port: NamedPort; users: number }>();
  /** The numbers of those whose containers have ended, in the order in which it is looked whether they are gone. */
  readonly #left = new Set<number>();

  private constructor(
    network: RuledNetwork,
    tables: { routed: OwnerTable; bridged: OwnerTable },
    connections: Pick<ConnectionCount, 'isNone'>,
  ) {
    const { routed, bridged } = tables;
    this.#network = network;
    this.#connections = connections;
    this.#routed = routed;
    this.#bridged = bridged;
    this.#batches = new PortBatches(bridged.table);
  }

  /** @param connections those that the kernel keeps where the bridge is. @throws as `OwnerTable.open` */
  static async open(network: RuledNetwork, place: NetworksPlace, connections: Pick<ConnectionCount, 'isNone'>): Promise<OwnRules> {
    const routed = await OwnerTable.open({ family: 'inet', place });
    let bridged: OwnerTable | null = null;
    try {
      bridged = await OwnerTable.open({ family: 'bridge', place });
      const what = `make the rules of the bridge ${network.bridge}`;
      await routed.apply(what, borderRequests(routed.table, network));
      await bridged.apply(what, guardRequests(bridged.table));
      return new OwnRules(network, { routed, bridged }, connections);
    } catch (error) {
      const opened = [routed, ...(bridged === null ? [] : [bridged])];
      const failure = await doAll(opened.map((table) => () => table.close())).then(() => undefined, toError);
      throw withCleanupError(error, failure);
    }
  }

  /**
   * Has the containers behind a port send nothing but their own, from the first frame: the port need not be there yet. It may be guarded
   * already, for another container with the same network. @throws SyscallError
   */
  async guard(port: NamedPort): Promise<void> {
    const known = this.#ports.get(port.index);
    if (known) {
      known.users++;
      this.#left.delete(port.index);
      return;
    }
    this.#ports.set(port.index, { port, users: 1 });
    try {
      await this.#change(`guard the port ${port.name}`, [port], this.#takeGone(LOOKED_AT));
    } catch (error) {
      this.#ports.delete(port.index);
      throw error;
    }
  }

  /**
   * Has a port that is guarded reach the others of its network alone, or has it do so no more. Whoever shares the port is held to the same. A
   * failure leaves all as it was.
   *
   * @throws SyscallError; NacelleError `ERR_STATE` for a port that is guarded no more
   */
  async confine({ index, name }: Pick<NamedPort, 'index' | 'name'>, isConfined: boolean): Promise<void> {
    const known = this.#ports.get(index);
    if (!known) throw new NacelleError(`the port ${name} is guarded no more: its container has ended`, { code: 'ERR_STATE' });
    if ((known.port.isConfined ?? false) === isConfined) return;
    const port: NamedPort = { ...known.port, isConfined };
    const what = isConfined ? `confine the port ${name}` : `confine the port ${name} no more`;
    const addresses = (holds: boolean): Promise<void> =>
      holds ? this.#confine(what, [{ ...port, isConfined: true }], []) : this.#confine(what, [], [port]);
    const border = (holds: boolean): Promise<void> => {
      const ports: NamedPort[] = [{ ...port, isConfined: true }];
      return this.#bridged.apply(what, holds ? this.#confinedPorts(ports, []) : this.#confinedPorts([], ports));
    };
    // a border whose addresses are not known to be confined would let through what comes from them
    const [first, second] = isConfined ? [addresses, border] : [border, addresses];
    await first(isConfined);
    try {
      await second(isConfined);
    } catch (error) {
      throw withCleanupError(error, await first(!isConfined).then(() => undefined, toError));
    }
    known.port = port;
  }

  /** Ports that are to be forgotten now, of so many that were left. Those that are still there are looked at again after all others. */
  #takeGone(most: number): NamedPort[] {
    const gone: NamedPort[] = [];
    for (const index of [...firstOf(this.#left, most)]) {
      const known = this.#ports.get(index);
      this.#left.delete(index);
      if (!known) continue;
      if (isNetworksLink(known.port.name)) {
        this.#left.add(index);
        continue;
      }
      this.#ports.delete(index);
      gone.push(known.port);
    }
    return gone;
  }

  async #change(what: string, added: readonly NamedPort[], removed: readonly NamedPort[]): Promise<void> {
    try {
      await this.#confine(what, added, removed);
      const requests = this.#confinedPorts(added, removed);
      if (requests.length === 0) await this.#bridged.applyBatch(what, this.#batches.of({ added, removed }));
      else await this.#bridged.apply(what, [...portRequests(this.#bridged.table, { added, removed }), ...requests]);
    } catch (error) {
      for (const port of removed) {
        this.#ports.set(port.index, { port, users: 0 });
        this.#left.add(port.index);
      }
      throw error;
    }
  }

  /**
   * Changes whom this machine knows as confined. An address may be another container's by now, while the port that had it is not gone yet. After a
   * failure of {@link guard} the elements stay, which is harmless: their port is never made.
   */
  #confine(what: string, ports: readonly NamedPort[], gone: readonly NamedPort[]): Promise<void> {
    const change = async (): Promise<void> => {
      const confined = ports.filter(({ isConfined }) => isConfined);
      if (confined.length > 0 && !this.#confines) {
        await this.#bridged.apply(what, confineBridged(this.#bridged.table, this.#network));
        await this.#routed.apply(what, confineRouted(this.#routed.table, this.#network));
        this.#confines = true;
      }
      const isGone = (index: number): boolean => gone.some((one) => one.index === index);
      const own = new Set(ports.flatMap(addressesOf).map(({ text }) => text));
      const removed = [...this.#confined.values()]
        .filter(({ address, port: index }) => isGone(index) || own.has(address.text))
        .map(({ address }) => address);
      const added = confined.flatMap((port) => addressesOf(port).map((address) => ({ address, port: port.index })));
      const elements = { added: added.map(({ address }) => address), removed };
      await this.#routed.apply(what, confinedAddresses(this.#routed.table, this.#network, elements));
      for (const { text } of removed) this.#confined.delete(text);
      for (const one of added) this.#confined.set(one.address.text, one);
    };
    if (this.#confining === null && !ports.some(({ isConfined }) => isConfined)) return Promise.resolve();
    // one after the other: an element that is removed twice is an error
    const done = (this.#confining ?? Promise.resolve()).then(change);
    this.#confining = done.catch(() => undefined);
    return done;
  }

  #confinedPorts(ports: readonly NamedPort[], gone: readonly NamedPort[]): Request[] {
    if (!this.#confines) return [];
    const isConfined = (port: NamedPort): boolean => port.isConfined ?? false;
    return confinedPorts(this.#bridged.table, { added: ports.filter(isConfined), removed: gone.filter(isConfined) });
  }

  /**
   * Ends flows of whoever had these addresses before, which would go on to who has them next: those of UDP to its published ports, or answers
   * to what it had sent. @throws as `forgetConnections`
   */
  async forget(addresses: readonly Address[]): Promise<void> {
    // to look through the kernel's table takes some 0.5 ms for an address of IPv4, and 10 for one of IPv6, however few there are
    if (this.#connections.isNone()) return;
    await this.#routed.forget(addresses);
  }

  /** A container has ended: its port is forgotten when it is gone. To be called once for each that was guarded. */
  release({ index }: NamedPort): void {
    const known = this.#ports.get(index);
    if (!known) return;
    known.users--;
    if (known.users > 0) return;
    this.#left.add(index);
    if (known.port.isConfined) this.#lookLater(LOOKS.first);
  }

  /**
   * As {@link release}, of a container that has shared the port of one which lives, and is guarded by that one: nothing here is to hold the other to a border
   * that it may lose.
   */
  leave(port: NamedPort): void {
    this.release(port);
    const known = this.#ports.get(port.index);
    if (!known || known.users > 0) return;
    this.#ports.delete(port.index);
    this.#left.delete(port.index);
    this.#change(`guard the port ${port.name} no more`, [], [known.port]).catch(() => this.#lookLater(LOOKS.first));
  }

  /** What fails is tried again by whoever guards a port next, and hears of it. */
  #lookLater(after: number): void {
    clearTimeout(this.#look);
    const forget = async (): Promise<void> => {
      const gone = this.#takeGone(this.#left.size);
      if (gone.length > 0) await this.#change('forget ports that are gone', [], gone);
      const isLeft = [...this.#left].some((index) => this.#ports.get(index)?.port.isConfined);
      if (isLeft) this.#lookLater(Math.min(2 * after, LOOKS.last));
    };
    this.#look = setTimeout(() => void forget().catch(() => undefined), after).unref();
  }

  /** Removes the rules. */
  close(): Promise<void> {
    clearTimeout(this.#look);
    return doAll([this.#routed, this.#bridged].map((table) => () => table.close()));
  }
}

function* firstOf<T>(all: Iterable<T>, most: number): Iterable<T> {
  let count = 0;
  for (const one of all) {
    if (count++ === most) return;
    yield one;
  }
}

import { doAll, toError, withCleanupError } from '../../errors.js';
import type { Address } from '../address.js';
import type { NetworksPlace } from '../holder/networks-place.js';
import { hasNoConnections } from '../nftables/forget-connections.js';
import type { Request } from '../nftables/nfnetlink.js';
import { OwnerTable } from '../nftables/owner-table.js';
import { isNetworksLink } from '../own-link.js';
import { addressesOf, confineBridged, confinedAddresses, confinedPorts, confineRouted } from './confined-rules.js';
import { borderRequests, type RuledNetwork } from './network-rules.js';
import { guardRequests, type Port, portRequests } from './port-rules.js';

/** A bridge port that a process guards. */
export interface NamedPort extends Port {
  readonly name: string;
}

/**
 * The rules of a network in tables of this process's shim, with the ports of its containers.
 *
 * A port is guarded for as long as it is there, which may be longer than its container: others may have joined the container's network
 * namespace, and the kernel takes a namespace down in its own time. So a port that is gone is forgotten when the next one comes.
 */
export class OwnRules {
  readonly #routed: OwnerTable;
  readonly #bridged: OwnerTable;
  readonly #network: RuledNetwork;
  /** By which addresses this machine knows confined ports, and the numbers of these. */
  readonly #confined = new Map<string, { readonly address: Address; readonly port: number }>();
  #confines = false;
  /** By their numbers. */
  readonly #ports = new Map<number, { readonly port: NamedPort; isOver: boolean }>();

  private constructor(network: RuledNetwork, routed: OwnerTable, bridged: OwnerTable) {
    this.#network = network;
    this.#routed = routed;
    this.#bridged = bridged;
  }

  /** @throws as `OwnerTable.open` */
  static async open(network: RuledNetwork, place: NetworksPlace): Promise<OwnRules> {
    const routed = await OwnerTable.open({ family: 'inet', place });
    let bridged: OwnerTable | null = null;
    try {
      bridged = await OwnerTable.open({ family: 'bridge', place });
      const what = `make the rules of the bridge ${network.bridge}`;
      await routed.apply(what, borderRequests(routed.table, network));
      await bridged.apply(what, guardRequests(bridged.table));
      return new OwnRules(network, routed, bridged);
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
      known.isOver = false;
      return;
    }
    const gone = [...this.#ports.values()].filter(({ isOver, port: { name } }) => isOver && !isNetworksLink(name));
    for (const one of gone) this.#ports.delete(one.port.index);
    const removed = gone.map((one) => one.port);
    const what = `guard the port ${port.name}`;
    this.#ports.set(port.index, { port, isOver: false });
    try {
      await this.#confine(what, port, removed);
      const requests = portRequests(this.#bridged.table, { added: [port], removed });
      await this.#bridged.apply(what, [...requests, ...this.#confinedPorts(port, removed)]);
    } catch (error) {
      this.#ports.delete(port.index);
      for (const one of gone) this.#ports.set(one.port.index, one);
      throw error;
    }
  }

  /**
   * Changes whom this machine knows as confined. An address may be another container's by now, while the port that had it is not gone yet. After a
   * failure the elements stay, which is harmless: their port is never made.
   */
  async #confine(what: string, port: NamedPort, gone: readonly NamedPort[]): Promise<void> {
    if (port.isConfined && !this.#confines) {
      await this.#bridged.apply(what, confineBridged(this.#bridged.table, this.#network));
      await this.#routed.apply(what, confineRouted(this.#routed.table, this.#network));
      this.#confines = true;
    }
    const isGone = (index: number): boolean => gone.some((one) => one.index === index);
    const own = addressesOf(port);
    const isOwn = (text: string): boolean => own.some((one) => one.text === text);
    const removed = [...this.#confined.values()]
      .filter(({ address, port: index }) => isGone(index) || isOwn(address.text))
      .map(({ address }) => address);
    const added = port.isConfined ? own : [];
    await this.#routed.apply(what, confinedAddresses(this.#routed.table, this.#network, { added, removed }));
    for (const { text } of removed) this.#confined.delete(text);
    for (const address of added) this.#confined.set(address.text, { address, port: port.index });
  }

  #confinedPorts(port: NamedPort, gone: readonly NamedPort[]): Request[] {
    if (!this.#confines) return [];
    const removed = gone.filter(({ isConfined }) => isConfined);
    return confinedPorts(this.#bridged.table, { added: port.isConfined ? [port] : [], removed });
  }

  /**
   * Ends flows of whoever had these addresses before, which would go on to who has them next: those of UDP to its published ports, or answers
   * to what it had sent. @throws as `forgetConnections`
   */
  async forget(addresses: readonly Address[]): Promise<void> {
    // to look through the kernel's table takes some 0.5 ms for an address of IPv4, and 10 for one of IPv6, however few there are
    if (hasNoConnections()) return;
    await this.#routed.forget(addresses);
  }

  /** A container has ended: its port is forgotten when it is gone. To be called once for each that was guarded. */
  release({ index }: NamedPort): void {
    const known = this.#ports.get(index);
    if (known) known.isOver = true;
  }

  /** Removes the rules. */
  close(): Promise<void> {
    return doAll([this.#routed, this.#bridged].map((table) => () => table.close()));
  }
}

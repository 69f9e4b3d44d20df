import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import * as z from 'zod';
import { NacelleError } from '../../errors.js';
import { requireBridges } from '../../host/bridge-feature.js';
import { reapFirst } from '../../host/reap.js';
import { asyncDispose } from '../../native/async-dispose.js';
import { now } from '../../native/clock.js';
import { carryOut } from '../../native/host-work.js';
import { attempt } from '../../native/system-errors.js';
import { parseOptions } from '../../options/parse-options.js';
import { planOf, Slots } from '../../plan/plan.js';
import { dropIdleBridge, keepBridge } from './kept-bridge.js';
import { findNetwork, forgetNetwork, networkNames, noNetwork, withNetworkFiles, writeNetwork } from './network-file.js';
import { bridgeOf, isUsed, PERSIST, readUse, removeNetworkFolder, removeSteps, useOf, usesOf, withNetwork } from './network-folder.js';
import { type NetworkOptions, networkName, parseNetworkOptions } from './network-options.js';
import { type NetworkRecord, settleNetwork } from './network-settings.js';
import { takenSubnets } from './taken-subnets.js';

/** What `network.inspect()` and `Network.list()` tell. */
export interface NetworkInfo {
  readonly name: string;
  readonly driver: 'bridge';
  /** IPv4's first; this machine has the gateway's address. */
  readonly subnets: readonly { readonly subnet: string; readonly gateway: string }[];
  readonly range: string | null;
  readonly internal: boolean;
  /** Bytes; `null`: that of the link with this machine's default route. */
  readonly mtu: number | null;
  readonly labels: Readonly<Record<string, string>>;
  readonly persist: boolean;
  readonly createdAt: Date;
  /** The name of its bridge, whether that is there now or not. */
  readonly interface: string;
  /** Containers that have addresses in it now, by what these are, in this process's network namespace. */
  readonly containers: readonly { readonly id: string; readonly addresses: readonly string[] }[];
}

/** What `Network.prune()` has removed. */
export interface NetworkPruneReport {
  /** Names, sorted. */
  readonly networks: readonly string[];
}

/** The network of `network: 'bridge'`, which is made at its first use. */
export const DEFAULT_NETWORK = 'bridge';

/** A use that tells of a container. */
const leaseSchema = z.object({ id: z.string(), addresses: z.array(z.string()) });

/**
 * A network of containers on this machine (docs/networks.md): a bridge of the kernel's, and an address for each container. What it is to be
 * is kept by its name in the store; the bridge is there while a container is on it.
 *
 * @example
 * const network = await Network.create('shop');
 * await Container.run({ image: 'host', command: ['ip', 'address'], network });
 */
export class Network implements AsyncDisposable {
  readonly name: string;
  readonly driver = 'bridge';

  private constructor(name: string) {
    this.name = name;
  }

  /**
   * Makes a network. Of several that make one of the same name at once, one does.
   *
   * @param name letters, digits, '_', '.' and '-', of which the first is a letter or a digit; 128 at most
   * @throws NacelleError `ERR_INVALID_OPTION`: also for a subnet that another network, a link or a name server of this machine has;
   * `ERR_NAME_TAKEN` when there is one of that name; `ERR_NO_SUBNET` when nothing is free. UnsupportedError without root. With `persist`
   * as a container that joins it, and then no network is left
   */
  static async create(name: string, options: NetworkOptions = {}): Promise<Network> {
    const checked = parseOptions(networkName, name, 'name');
    const parsed = parseNetworkOptions(options);
    requireBridges('a network');
    await withNetworkFiles(async () => {
      if (await findNetwork(checked)) throw new NacelleError(`there is a network ${checked} already`, { code: 'ERR_NAME_TAKEN' });
      await writeNetwork(checked, settleNetwork(parsed, await surroundings()));
    });
    const network = new Network(checked);
    if (!parsed.persist) return network;
    try {
      (await keepBridge(checked)).release();
      return network;
    } catch (error) {
      await network.remove();
      throw error;
    }
  }

  /** @throws NacelleError `ERR_INVALID_OPTION`, `ERR_NO_NETWORK` when there is none of that name, `ERR_RECORD` when what is written of it is damaged */
  static async open(name: string): Promise<Network> {
    const checked = parseOptions(networkName, name, 'name');
    if ((await findNetwork(checked)) === null) throw noNetwork(checked);
    return new Network(checked);
  }

  /** All networks of the store, sorted by name. @throws NacelleError `ERR_RECORD` when what is written of one is damaged */
  static async list(): Promise<NetworkInfo[]> {
    const found: NetworkInfo[] = [];
    for (const name of await networkNames()) {
      const record = await findNetwork(name);
      // a network may be removed while this looks
      if (record) found.push(infoOf(name, record));
    }
    return found;
  }

  /** Removes the networks that no container uses, but for those with `persist`. @throws SyscallError */
  static async prune(): Promise<NetworkPruneReport> {
    const networks: string[] = [];
    for (const { name, persist } of await Network.list()) {
      if (!persist && (await removed(name)) === 'removed') networks.push(name);
    }
    return { networks };
  }

  /** @throws NacelleError `ERR_NO_NETWORK` when it was removed; `ERR_RECORD` when what is written of it is damaged */
  async inspect(): Promise<NetworkInfo> {
    const record = await findNetwork(this.name);
    if (record === null) throw noNetwork(this.name);
    return infoOf(this.name, record);
  }

  /**
   * Removes the network, with its bridge where that is still there. One that was removed is no error.
   *
   * @throws NacelleError `ERR_IN_USE` while a container is on it, in whichever network namespace, or another process had one on it a second
   * ago; SyscallError
   */
  async remove(): Promise<void> {
    if ((await removed(this.name)) !== 'used') return;
    const cure = 'Remove the containers on it first';
    throw new NacelleError(`remove the network ${this.name}: it is in use. ${cure}`, { code: 'ERR_IN_USE' });
  }

  /** Lets go of the handle, which holds nothing. The network stays until `remove` or `prune`. */
  async [asyncDispose](): Promise<void> {}
}

/** Makes the network of `network: 'bridge'` when there is none yet. */
export async function makeDefaultNetwork(): Promise<void> {
  if (await findNetwork(DEFAULT_NETWORK)) return;
  await withNetworkFiles(async () => {
    if (await findNetwork(DEFAULT_NETWORK)) return;
    await writeNetwork(DEFAULT_NETWORK, settleNetwork(parseNetworkOptions({}), await surroundings()));
  });
}

async function surroundings() {
  return { taken: await takenSubnets(), random: randomBytes(5), createdAt: new Date(now()) };
}

async function removed(name: string): Promise<'removed' | 'missing' | 'used'> {
  requireBridges('a network');
  // uses of the dead are none
  await reapFirst();
  await dropIdleBridge(name);
  // always in this order: `keepBridge` takes both locks too
  return withNetwork(name, async () => {
    const found = await withNetworkFiles(async () => {
      if ((await findNetwork(name)) === null) return 'missing';
      if (isUsed(name)) return 'used';
      const slots = new Slots();
      await carryOut(planOf({ prepare: removeSteps(bridgeOf(name), slots) }), slots.descriptors);
      await forgetNetwork(name);
      attempt('forget that the bridge stays', () => rmSync(useOf(name, PERSIST).path, { force: true }));
      return 'removed';
    });
    removeNetworkFolder(name);
    return found;
  });
}

function infoOf(name: string, { driver, subnets, range, internal, mtu, labels, persist, createdAt }: NetworkRecord): NetworkInfo {
  return {
    name,
    driver,
    subnets: subnets.map((entry) => ({ ...entry })),
    range,
    internal,
    mtu,
    labels,
    persist,
    createdAt: new Date(createdAt),
    interface: bridgeOf(name).name,
    containers: usesOf(name).flatMap((use) => leaseIn(readUse(name, use))),
  };
}

/** A lease is JSON; a use of another kind says only its name. */
function leaseIn(text: string | null): { id: string; addresses: string[] }[] {
  if (!text?.startsWith('{')) return [];
  const lease = leaseSchema.safeParse(JSON.parse(text));
  return lease.success ? [lease.data] : [];
}

import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { hasCode, NacelleError, SyscallError, UnsupportedError } from '../../errors.js';
import { requireRoot } from '../../host/bridge-feature.js';
import { containerShim } from '../../host/container-shim.js';
import { privilege } from '../../host/privilege.js';
import { reapFirst } from '../../host/reap.js';
import { asyncDispose } from '../../native/async-dispose.js';
import { now } from '../../native/clock.js';
import { carryOut } from '../../native/host-work.js';
import { attempt } from '../../native/system-errors.js';
import { parseOptions } from '../../options/parse-options.js';
import { planOf, Slots } from '../../plan/plan.js';
import { allUndone } from '../../process/undone-later.js';
import { networksNow } from '../holder/networks-place.js';
import { type NetworkConnectOptions, type NetworkedContainer, parseConnectOptions, parseContainer } from '../live/place-in-network.js';
import { learnPeer, type NetworkPeer } from '../vxlan/learn.js';
import { keepNames } from '../vxlan/remote-names.js';
import { dropIdleBridge, keepBridge } from './kept-bridge.js';
import { leaseSchema } from './lease-schema.js';
import { allNetworks, findNetwork, forgetNetwork, isPluginNetwork, noNetwork, withNetworkFiles, writeNetwork } from './network-file.js';
import { bridgeOf, isUsed, PERSIST, readUse, removeFilesOf, removeSteps, useOf, usesOf, withNetwork } from './network-folder.js';
import { type NetworkOptions, networkName, type ParsedNetwork, parseNetworkOptions, parsePluginNetwork } from './network-options.js';
import { hostAddressesOf, type PluginRecord, settleNetwork, type WrittenRecord } from './network-settings.js';
import { checkPluginNetwork, createPluginNetwork, nameTaken, pluggedInto, removePluginNetwork } from './plugin-networks.js';
import { requireDriver, requirePlace } from './required-driver.js';
import { takenSubnets } from './taken-subnets.js';

/** What `network.inspect()` and `Network.list()` tell. */
export interface NetworkInfo {
  readonly name: string;
  /** 'cni': plugins make it. */
  readonly driver: 'bridge' | 'vxlan' | 'macvlan' | 'ipvlan' | 'cni';
  /** IPv4's first; this machine has the gateway's address, or with macvlan a router. None with plugins of CNI, which know them. */
  readonly subnets: readonly { readonly subnet: string; readonly gateway: string }[];
  readonly range: string | null;
  readonly internal: boolean;
  /** Bytes; `null`: the default of its driver, as {@link NetworkOptions} has it, which is found out when it is used. */
  readonly mtu: number | null;
  /** Of the driver vxlan; `null` for others. */
  readonly vni: number | null;
  /** The other hosts, those from `learn` too; none where the driver is not vxlan. */
  readonly peers: readonly string[];
  /** The option of that name; `null` where none was given. */
  readonly parent: string | null;
  /** The own addresses of the hosts in `peers`, in the first subnet; `null` where they are not known, or the driver is not vxlan. */
  readonly peerGateways: readonly string[] | null;
  /** Of the drivers macvlan and ipvlan; `null` for others. */
  readonly mode: NonNullable<NetworkOptions['mode']> | null;
  /** Of the driver cni; `null` for others. */
  readonly cni: {
    /** The network's name in the configuration. */
    readonly name: string;
    /** The file that it was read from when the network was made; `null` where the configuration itself was given. */
    readonly file: string | null;
    /** The version of the specification that is spoken with the plugins. */
    readonly version: string;
    /** The types of the plugins, in their order. */
    readonly plugins: readonly string[];
  } | null;
  /** This machine's addresses in a network with `hostAccess`. */
  readonly hostAddresses: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  readonly persist: boolean;
  /** `null` only with an `error`. */
  readonly createdAt: Date | null;
  /**
   * The name of its bridge (bridge, vxlan), or of this machine's own link in it (macvlan with `hostAccess`), whether that is there now or not.
   * With ipvlan, with plugins of CNI, and with macvlan without `hostAccess`, no link of this machine ever has the name.
   */
  readonly interface: string;
  /** Containers that have addresses in it now, by what these are, in this process's network namespace. */
  readonly containers: readonly { readonly id: string; readonly addresses: readonly string[] }[];
  /** Why the network can't be used, when what is written of it is damaged (`ERR_RECORD`): nothing more is known of it than what follows from its name. */
  readonly error: NacelleError | null;
}

/** What `Network.prune()` has removed. */
export interface NetworkPruneReport {
  /** Names, sorted. */
  readonly networks: readonly string[];
}

/** The network of `network: 'bridge'`, which is made at its first use. */
export const DEFAULT_NETWORK = 'bridge';

/**
 * A network of containers (docs/networks.md), in which each has an address: by a bridge of the kernel's on this machine, which others may be joined
 * to (vxlan), by children of one of this machine's links (macvlan, ipvlan), or by plugins of CNI. What it is to be is kept by its name in the store; the bridge, or
 * what else this machine has of it, is there while a container is on it.
 *
 * @example
 * const network = await Network.create('shop');
 * await Container.run({ image: 'host', command: ['ip', 'address'], network });
 */
export class Network implements AsyncDisposable {
  readonly name: string;
  readonly driver: NetworkInfo['driver'];

  private constructor(name: string, driver: NetworkInfo['driver']) {
    this.name = name;
    this.driver = driver;
  }

  /**
   * Makes a network. Of several that make one of the same name at once, one does.
   *
   * @param name letters, digits, '_', '.' and '-', of which the first is a letter or a digit; 128 at most
   * @throws NacelleError `ERR_INVALID_OPTION`: also for a subnet that another network, a link or a name server of this machine has, a `vni` that
   * another network or link has, a `parent` that is not there; `ERR_NAME_TAKEN` when there is one of that name; `ERR_NO_SUBNET` when nothing is free. UnsupportedError where the
   * kernel lacks the driver, and without root for another driver than bridge, and for `persist`. With `{ cni }`: `ERR_INVALID_OPTION` also for a configuration that is none, and for a plugin that is nowhere; `ERR_CNI_VERSION`
   * where there is no version of the specification that all speak; CniError. With `persist`
   * as a container that joins it, and then no network is left
   */
  static async create(name: string, options: NetworkOptions = {}): Promise<Network> {
    const checked = parseOptions(networkName, name, 'name');
    const plugins = parsePluginNetwork(options);
    if (plugins !== null) {
      requireRoot('the driver cni of a network');
      await createPluginNetwork(checked, plugins);
      return new Network(checked, 'cni');
    }
    const parsed = parseNetworkOptions(options);
    requireForUser(parsed);
    await requireDriver(parsed);
    await withNetworkFiles(async () => {
      if (await findNetwork(checked)) throw nameTaken(checked);
      await requirePlace(parsed);
      const { choice } = parsed;
      const parent = choice.driver === 'macvlan' || choice.driver === 'ipvlan' ? choice.parent : null;
      await writeNetwork(checked, settleNetwork(parsed, await surroundings(parent)));
    });
    const network = new Network(checked, parsed.choice.driver);
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
    const record = await findNetwork(checked);
    if (record === null) throw noNetwork(checked);
    return new Network(checked, record.driver);
  }

  /** All networks of the store, sorted by name; one that is damaged has an `error`. @throws SyscallError */
  static async list(): Promise<NetworkInfo[]> {
    await allUndone();
    return (await allNetworks()).map(({ name, record, error }) => (record ? infoOf(name, record) : damagedInfo(name, error)));
  }

  /** Removes the networks that no container uses, but for those with `persist`, and damaged ones, which may have it. @throws SyscallError */
  static async prune(): Promise<NetworkPruneReport> {
    const networks: string[] = [];
    for (const { name, record } of await allNetworks()) {
      if (record && !record.persist && (await removed(name)) === 'removed') networks.push(name);
    }
    return { networks };
  }

  /** @throws NacelleError `ERR_NO_NETWORK` when it was removed; `ERR_RECORD` when what is written of it is damaged */
  async inspect(): Promise<NetworkInfo> {
    await allUndone();
    const record = await findNetwork(this.name);
    if (record === null) throw noNetwork(this.name);
    return infoOf(this.name, record);
  }

  /**
   * Removes the network, with its bridge where that is still there. One that was removed is no error.
   *
   * @throws NacelleError `ERR_IN_USE` while a container is on it, in whichever network namespace, or another process had one on it a second
   * ago; `ERR_RECORD` when what is written of it is damaged; SyscallError
   */
  async remove(): Promise<void> {
    if ((await removed(this.name)) !== 'used') return;
    const cure = 'Remove the containers on it first';
    throw new NacelleError(`remove the network ${this.name}: it is in use. ${cure}`, { code: 'ERR_IN_USE' });
  }

  /**
   * Tells a network of several hosts (vxlan) of another host, and of containers there, from a store of yours: broadcasts go to that host too, frames for
   * these containers go to it alone, and whoever asks for their MAC addresses is answered here. An address that was learned of another host has
   * moved. What is learned stays until the network is removed. Of one of this machine's own addresses as `host` nothing is noted, so all hosts
   * can be told the same.
   *
   * @throws NacelleError `ERR_INVALID_OPTION`; `EADDRINUSE` for an address that a container on this host has; `ERR_NO_NETWORK`; UnsupportedError for
   * another driver; `ERR_IN_USE` for a host that is new to a network with `peerGateways` which containers here use; SyscallError
   */
  async learn(peer: NetworkPeer): Promise<void> {
    await dropIdleBridge(this.name);
    await learnPeer(this.name, peer);
  }

  /**
   * Asks the plugins of CNI whether they could attach containers now (STATUS, of version 1.1.0), and whether each container on the network is
   * attached as it was (CHECK, of 0.4.0; never with `disableCheck`). Left out are containers whose plugins were run by a process that has ended.
   *
   * @returns the ids of the containers that were asked for
   * @throws CniError: what the first plugin says that finds something wrong; NacelleError `ERR_NO_NETWORK`; UnsupportedError for another driver
   */
  async check(): Promise<readonly string[]> {
    return checkPluginNetwork(this.name);
  }

  /**
   * Gives a container that lives, or waits for its start, a link to the network, as the option `network` would have: with addresses, names, and the
   * default route of each family that none of its networks gave it. It has the link in its later runs too, until {@link disconnect} or its end.
   *
   * @throws NacelleError `ERR_INVALID_OPTION`: also for an interface name that it has; `ERR_CONNECTED` when it is on the network already;
   * `ERR_STATE` when it has ended, or is restarting; `ERR_NETWORKS`: it is on 64; `ERR_NO_NETWORK`, `EADDRINUSE`, `ERR_NO_ADDRESS` and others as for a container that joins
   * at its making; UnsupportedError for one without a network namespace of its own (`network: 'host'`, a Container, a Namespace, Landlock), with pasta or a network of plugins of CNI, as this one may be,
   * that an older version has made, or whose networks are in another network namespace; SyscallError: EEXIST for a link of the program's own by that name
   */
  async connect(container: NetworkedContainer, options: NetworkConnectOptions = {}): Promise<void> {
    const wanted = parseConnectOptions(this.name, options);
    await parseContainer(container).joinNetwork(wanted);
  }

  /**
   * Takes the link to the network from a container that lives: the address is another's then, connections by it end, and a default route goes
   * through another of its networks, the first one that leads out. Published ports that led there lead to another of its networks.
   *
   * @throws NacelleError `ERR_INVALID_OPTION`; `ERR_NOT_CONNECTED` when it isn't on the network; `ERR_IN_USE` when a published port would lead nowhere;
   * `ERR_STATE`, UnsupportedError as {@link connect}, and from a network of macvlan or ipvlan for a container of which a program has, or had, the
   * capability NET_ADMIN: of its link it can have made others, which nobody finds; SyscallError: `ENODEV` when such a link is no longer in the container, which stays on
   * the network then. When the container prevents its new default route, the error comes after it has left
   */
  async disconnect(container: NetworkedContainer): Promise<void> {
    await parseContainer(container).leaveNetwork(this.name);
  }

  /** Lets go of the handle, which holds nothing. The network stays until `remove` or `prune`. */
  async [asyncDispose](): Promise<void> {}
}

/** Makes the network of `network: 'bridge'` when there is none yet. @param signal its abort ends the waiting, with the signal's reason */
export async function makeDefaultNetwork(signal?: AbortSignal): Promise<void> {
  if (await findNetwork(DEFAULT_NETWORK)) return;
  await withNetworkFiles(async () => {
    if (await findNetwork(DEFAULT_NETWORK)) return;
    await writeNetwork(DEFAULT_NETWORK, settleNetwork(parseNetworkOptions({}), await surroundings()));
  }, signal);
}

async function surroundings(parent: string | null = null) {
  return { taken: await takenSubnets(parent), random: randomBytes(5), createdAt: new Date(now()) };
}

async function removed(name: string): Promise<'removed' | 'missing' | 'used'> {
  const shim = await containerShim();
  // uses of the dead are none
  await reapFirst(shim);
  if (isPluginNetwork(name)) return removePluginNetwork(name);
  await dropIdleBridge(name);
  // always in this order: `keepBridge` takes both locks too
  return withNetwork(name, async (folder) => {
    const found = await withNetworkFiles(async () => {
      if ((await findNetwork(name)) === null) return 'missing';
      if (isUsed(name)) return 'used';
      await removeBridge(name);
      keepNames(name, []);
      await forgetNetwork(name);
      attempt('forget that the bridge stays', () => rmSync(useOf(name, PERSIST).path, { force: true }));
      return 'removed';
    });
    removeFilesOf(folder);
    return found;
  });
}

/** An ordinary user's bridges are where they are, or nowhere: who removes one makes no place for it. */
async function removeBridge(name: string): Promise<void> {
  const place = networksNow();
  if (place === null) return;
  const slots = new Slots();
  const plan = planOf({ prepare: [...place.enter, ...removeSteps(bridgeOf(name), slots)] });
  try {
    await carryOut(plan, slots.descriptors, await containerShim());
  } catch (error) {
    // the place went with the last of its containers meanwhile, and the bridge with it
    const isGone = error instanceof SyscallError && error.step === 'networks_in' && hasCode(error, 'ENOENT', 'ECONNREFUSED');
    if (!isGone) throw error;
  }
}

/** Refuses what an ordinary user's networks can't be. @throws UnsupportedError */
function requireForUser({ choice, persist }: ParsedNetwork): void {
  if (privilege().kind === 'root') return;
  if (choice.driver !== 'bridge') requireRoot(`the driver ${choice.driver} of a network`);
  if (!persist) return;
  const reason = 'the bridges of an ordinary user go with the last of the containers on them';
  throw new UnsupportedError('persist', reason, 'Leave it out: the network itself stays, and its bridge comes with the next container.');
}

function infoOf(name: string, record: WrittenRecord): NetworkInfo {
  const { driver, subnets, range, internal, mtu, labels, persist, createdAt } = record;
  const { vni, peers, peerGateways, parent, mode } = { ...NO_DRIVER, ...record };
  return {
    name,
    driver,
    subnets: subnets.map((entry) => ({ ...entry })),
    range,
    internal,
    mtu,
    vni,
    peers,
    peerGateways: peerGateways ?? null,
    parent,
    mode,
    cni: record.driver === 'cni' ? pluginsOf(record) : null,
    hostAddresses: record.driver === 'cni' ? [] : hostAddressesOf(record).map(({ text }) => text),
    labels,
    persist,
    createdAt: new Date(createdAt),
    ...runningOf(name),
    ...(record.driver === 'cni' ? { containers: pluggedInto(name, record) } : {}),
    error: null,
  };
}

function pluginsOf({ list, version, file }: PluginRecord): NetworkInfo['cni'] {
  return { name: list.name, file, version, plugins: list.plugins.map(({ type }) => type) };
}

const NO_DRIVER: Pick<NetworkInfo, 'vni' | 'peers' | 'peerGateways' | 'parent' | 'mode'> = {
  vni: null,
  peers: [],
  peerGateways: null,
  parent: null,
  mode: null,
};

function damagedInfo(name: string, error: NacelleError): NetworkInfo {
  const unknown = { subnets: [], range: null, internal: false, mtu: null, labels: {}, persist: false, createdAt: null };
  return { name, driver: 'bridge', ...unknown, ...NO_DRIVER, cni: null, hostAddresses: [], ...runningOf(name), error };
}

function runningOf(name: string): Pick<NetworkInfo, 'interface' | 'containers'> {
  return { interface: bridgeOf(name).name, containers: usesOf(name).flatMap((use) => leaseIn(readUse(name, use))) };
}

/** A lease is JSON; a use of another kind says only its name. */
function leaseIn(text: string | null): { id: string; addresses: string[] }[] {
  if (!text?.startsWith('{')) return [];
  const lease = leaseSchema.safeParse(JSON.parse(text));
  return lease.success ? [lease.data] : [];
}

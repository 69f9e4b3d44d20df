import { writeFileSync } from 'node:fs';
import { doAll, hasCode, NacelleError, SyscallError, toError, withCleanupError } from '../../errors.js';
import { requireRoot } from '../../host/bridge-feature.js';
import { writeRecord } from '../../host/journal.js';
import { privilege } from '../../host/privilege.js';
import { reapFirst } from '../../host/reap.js';
import { withRecord } from '../../host/recorded.js';
import { clearTimeout, setTimeout } from '../../native/clock.js';
import { release as releaseAll, undone } from '../../native/host-work.js';
import { attempt } from '../../native/system-errors.js';
import type { Task } from '../../native/task.js';
import { newId } from '../../plan/id.js';
import { Slots } from '../../plan/plan.js';
import type { Slot } from '../../plan/steps.js';
import { unlessAborted } from '../../process/abort.js';
import { allUndone } from '../../process/undone-later.js';
import { endSpareUses } from '../../store/spare-uses.js';
import { inNetworks, type NetworksPlace } from '../holder/networks-place.js';
import { defaultLink } from '../ipam/routes.js';
import { type LinkInfo, parseLink } from '../link.js';
import { type LinkBelow, type ParentWay, parentWay } from '../macvlan/parent-way.js';
import { ConnectionCount } from '../nftables/connection-count.js';
import type { RuledNetwork } from '../rules/network-rules.js';
import { OwnRules } from '../rules/own-rules.js';
import { SharedRules } from '../rules/shared-rules.js';
import { portsToHosts, requireFreeNumber, tellNames } from '../vxlan/network-tunnel.js';
import { mtuThrough } from '../vxlan/vxlan-link.js';
import { familyOfPeers } from '../vxlan/vxlan-place.js';
import { keeperPlan, lookUpBridge, lookUpLink, makeBridgeSteps } from './bridge-plan.js';
import { forwardedFamilies, forwardPackets } from './forward-packets.js';
import { LastNumber } from './last-number.js';
import { findNetwork, requireOwnNetwork, withNetworkFiles } from './network-file.js';
import {
  bridgeOf,
  leaveSteps,
  makeNetworkFolder,
  networkFolder,
  PERSIST,
  useOf,
  useRecord,
  useStep,
  withNetwork,
} from './network-folder.js';
import { clashOf, gatewaysOf, isChildRecord, type NetworkRecord, peerGatewaysOf, peersOf, subnetsOf } from './network-settings.js';
import { Offers, removeVoidOffers } from './offers.js';
import { requireOpenForward } from './open-forward.js';
import { ownRoutes, takenByMachine } from './taken-subnets.js';

/** A bridge that is there as long as this process uses it. */
export interface KeptBridge {
  /** Bytes. */
  readonly mtu: number;
  readonly record: NetworkRecord;
  /** The addresses that this process has chosen, and the one that was given last. */
  readonly offers: Offers;
  readonly last: LastNumber;
  /** Those that the kernel keeps where the bridge is. */
  readonly connections: ConnectionCount;
  /** Where the bridge is. */
  readonly place: NetworksPlace;
  /** How containers get into the network. */
  readonly way: BridgeWay | ParentWay;
}

/** By ports of a bridge. */
interface BridgeWay {
  /** The bridge's number. */
  readonly bridge: number;
  /** For containers that end with this process. */
  readonly rules: OwnRules;
  /** For those with shims of their own. */
  readonly shared: SharedRules;
}

interface Keeper {
  readonly bridge: Promise<KeptBridge & { readonly task: Task }>;
  users: number;
  timer: NodeJS.Timeout | undefined;
  /** The bridge is there. */
  isMade: boolean;
}

/** How long the bridge stays after this process's last use, in ms: programs run one container after the other. */
const LINGER = 1000;

/** By the networks' folders in the runtime folder. */
const keepers = new Map<string, Keeper>();

/**
 * Keeps a network's bridge, which is made when it is not there.
 *
 * @param signal its abort ends this caller's waiting; the bridge may be wanted by others in this process
 * @returns the bridge, and what lets it go: to be called once
 * @throws NacelleError `ERR_NO_NETWORK`, `ERR_SUBNET_TAKEN`, `ERR_NAME_TAKEN`, `ERR_VNI_TAKEN`, `ERR_NO_LINK`, `ERR_FORWARDING`, `ERR_FORWARD_POLICY`; SyscallError; the
 * signal's reason
 */
export function keepBridge(name: string, signal: AbortSignal | null = null): Promise<KeptBridge & { release(): void }> {
  return inNetworks((place) => keepIn(place, name, signal));
}

async function keepIn(place: NetworksPlace, name: string, signal: AbortSignal | null): Promise<KeptBridge & { release(): void }> {
  const key = networkFolder(name);
  const keeper = keepers.get(key) ?? begin(key, name, place);
  clearTimeout(keeper.timer);
  keeper.users++;
  let isReleased = false;
  const release = (): void => {
    if (isReleased) return;
    isReleased = true;
    if (--keeper.users > 0 || keepers.get(key) !== keeper) return;
    // nobody waits for this: what fails stays in the journal, for the next reap, and the tables go with the shim
    keeper.timer = setTimeout(() => void letGo(key, keeper).catch(() => undefined), LINGER).unref();
  };
  try {
    const kept = await unlessAborted(
      signal,
      () => keeper.bridge,
      () => undefined,
    );
    // of other hosts it may have learned since
    const written = kept.record.driver === 'vxlan' ? await findNetwork(name) : null;
    const record = written?.driver === 'vxlan' ? written : kept.record;
    return { ...kept, record, release };
  } catch (error) {
    release();
    throw error;
  }
}

/** Whether this process keeps the network's bridge now: nobody removes the network meanwhile, so what is written of it needs no look. */
export function keepsBridge(name: string): boolean {
  return keepers.get(networkFolder(name))?.isMade === true;
}

/**
 * Lets a network's bridge go at once when nobody in this process uses it any more. What was taken for runs that nobody has asked for yet is no use, nor what a
 * run had whose result is there.
 */
export async function dropIdleBridge(name: string): Promise<void> {
  await Promise.all([endSpareUses('addresses'), allUndone()]);
  const key = networkFolder(name);
  const keeper = keepers.get(key);
  if (keeper && keeper.users === 0) await letGo(key, keeper);
}

async function letGo(key: string, keeper: Keeper): Promise<void> {
  clearTimeout(keeper.timer);
  if (keepers.get(key) === keeper) keepers.delete(key);
  // who waits for the bridge was told why there is none
  const kept = await keeper.bridge.catch(() => null);
  if (!kept) return;
  const tables = 'rules' in kept.way ? [kept.way.rules, kept.way.shared] : [];
  await doAll([() => releaseAll([{ task: kept.task, removal: [] }]), ...tables.map((one) => () => one.close())]);
}

function begin(key: string, name: string, place: NetworksPlace): Keeper {
  const bridge = make(name, place);
  const keeper: Keeper = { bridge, users: 0, timer: undefined, isMade: false };
  keepers.set(key, keeper);
  const forget = (): void => {
    if (keepers.get(key) === keeper) keepers.delete(key);
  };
  // the next call tries again; a shim that has died has let it go. Where the offers' file can't be removed, the next removeVoidOffers does it
  bridge
    .then(({ task, last, offers, connections }) => {
      keeper.isMade = true;
      return task.ended.finally(() => closeFiles(last, offers, connections));
    })
    .then(forget, forget);
  return keeper;
}

async function make(name: string, place: NetworksPlace): Promise<KeptBridge & { readonly task: Task }> {
  const { driver } = await requireOwnNetwork(name);
  if (driver !== 'bridge') requireRoot(`the driver ${driver} of a network`);
  await reapFirst(place.shim);
  const id = newId();
  const { task, socket } = await beginUse(name, id, place);
  let last: LastNumber | undefined;
  let offers: Offers | undefined;
  const connections = new ConnectionCount();
  try {
    const { record, mtu, way } = await withNetwork(name, () => findOrMake(name, task, socket));
    last = new LastNumber(name);
    offers = new Offers(name, id);
    const kept = { record, mtu, offers, last, connections, place, task };
    if ('parent' in way) return { ...kept, way };
    if (privilege().kind === 'root') await requireOpenForward(name, record);
    const network = ruledNetwork(name, record);
    const rules = await OwnRules.open(network, place, connections);
    return { ...kept, way: { ...way, rules, shared: new SharedRules(name, network, place) } };
  } catch (error) {
    const failure = await closeFiles(last, offers, connections).then(() => undefined, toError);
    // not under the lock, for which the shim would wait
    throw await undone([{ task, removal: [] }], withCleanupError(error, failure));
  }
}

/** @throws the failures of all */
function closeFiles(last: LastNumber | undefined, offers: Offers | undefined, connections: ConnectionCount): Promise<void> {
  return doAll([() => last?.close(), () => offers?.close(), () => connections.close()]);
}

/** How often a use is begun: whoever removes the network, or reaps, may remove the folder before the use is in there. */
const ATTEMPTS = 100;

/** The task that keeps the bridge while it is there, with a netlink socket. */
async function beginUse(name: string, id: string, { shim, enter }: NetworksPlace): Promise<{ readonly task: Task; readonly socket: Slot }> {
  for (let tried = 1; ; ++tried) {
    const slots = new Slots();
    const socket = slots.take();
    const use = useOf(name, id);
    const forget = writeRecord(shim.owner, `network-${id}`, [useRecord(use)]);
    try {
      const task = await withRecord(forget, async () => {
        makeNetworkFolder(name);
        const leave = [...leaveSteps(use, slots), ...forget];
        return shim.startPlan(keeperPlan(socket, { enter, use: useStep(use), leave }), slots.descriptors);
      });
      return { task, socket };
    } catch (error) {
      const isFolderGone = error instanceof SyscallError && error.step === 'put_file' && error.code === 'ENOENT';
      if (!isFolderGone || tried === ATTEMPTS) throw error;
    }
  }
}

interface Found {
  readonly record: NetworkRecord;
  readonly mtu: number;
  readonly way: Pick<BridgeWay, 'bridge'> | ParentWay;
}

async function findOrMake(name: string, task: Task, socket: Slot): Promise<Found> {
  // others may have removed it, or made it anew: who does so has seen our use, or we see what was done
  const record = await withNetworkFiles(() => requireOwnNetwork(name));
  const isChild = isChildRecord(record);
  const bridge = bridgeOf(name);
  const found = await linkOf(task, lookUpBridge(socket, bridge));
  if (found && (found.kind !== (isChild ? 'macvlan' : 'bridge') || found.name !== bridge.name)) throw taken(name, found.name);
  if (record.persist) markPersistent(name);
  removeVoidOffers(name);
  if (isChild) {
    const parent = await linkBelow(name, record, { task, socket });
    return { record, ...(await parentWay(name, record, { task, socket, parent, isUp: found?.up === true })) };
  }
  const mtu = found?.up ? found.mtu : await makeBridge(name, record, { task, socket, found });
  // an ordinary user's networks are where nothing else is, which forwards from its beginning (lib/network/holder)
  if (privilege().kind === 'root') {
    refuseAdvertisements(bridge.name);
    await forwardPackets(bridge.name, forwardedFamilies(record));
  }
  return { record, mtu, way: { bridge: bridge.index } };
}

/** @param on.found a link in the bridge's place, which is half a bridge */
async function makeBridge(
  name: string,
  record: NetworkRecord,
  { task, socket, found }: { readonly task: Task; readonly socket: Slot; readonly found: LinkInfo | null },
): Promise<number> {
  const bridge = bridgeOf(name);
  const clash = found ? null : subnetsOf(record).flatMap((subnet) => clashOf(subnet, takenByMachine()) ?? [])[0];
  if (clash) {
    const problem = `its subnet overlaps ${clash.subnet.text}, which ${clash.whose} has by now`;
    throw new NacelleError(`make the bridge of the network ${name}: ${problem}. Remove the network and make it anew`, {
      code: 'ERR_SUBNET_TAKEN',
    });
  }
  const under = await linkBelow(name, record, { task, socket });
  const family = record.driver === 'vxlan' ? familyOfPeers(peersOf(record)) : null;
  const mtu = record.mtu ?? (family === null ? under.mtu : mtuThrough(under.mtu, family));
  const ports = record.driver === 'vxlan' ? portsToHosts(name, record, { socket, mtu, parent: under.index }) : [];
  const settings = { mtu, addresses: gatewaysOf(record), isHalf: found !== null || ports.length > 0, ports };
  await task.call(makeBridgeSteps(socket, bridge, settings)).catch(async (error: unknown) => {
    if (!hasCode(error, 'EEXIST')) throw error;
    if (record.driver === 'vxlan') await requireFreeNumber(name, record, error);
    throw taken(name, bridge.name, error);
  });
  if (record.driver === 'vxlan') tellNames(name, record);
  return mtu;
}

/** A network as its rules have it. */
export function ruledNetwork(name: string, record: NetworkRecord): RuledNetwork {
  const { name: bridge, index } = bridgeOf(name);
  const peerGateways = peerGatewaysOf(record);
  const network = { bridge, index, subnets: subnetsOf(record), gateways: gatewaysOf(record), internal: record.internal };
  return peerGateways === null ? network : { ...network, peerGateways };
}

/** A use without an end: it goes with the network, or at a reboot, as the bridge does. */
function markPersistent(name: string): void {
  const { path } = useOf(name, PERSIST);
  attempt(`write ${path}`, () => writeFileSync(path, '', { mode: 0o600 }));
}

/** The link by which a network reaches others: its parent, or else the one with this machine's default route. */
async function linkBelow(
  name: string,
  record: NetworkRecord,
  { task, socket }: { readonly task: Task; readonly socket: Slot },
): Promise<LinkBelow> {
  const parent = record.driver === 'bridge' ? null : record.parent;
  const link = parent ?? defaultLink(ownRoutes());
  const found = link === null ? null : await linkOf(task, lookUpLink(socket, link));
  if (parent !== null && !found) {
    throw new NacelleError(`use the network ${name}: this machine has no link ${parent}, which is its parent`, {
      code: 'ERR_NO_LINK',
    });
  }
  const mac = found ? Buffer.from(found.mac.replaceAll(':', ''), 'hex') : null;
  return { index: parent === null ? null : (found?.index ?? null), mac, mtu: found?.mtu ?? 1500 };
}

async function linkOf(task: Task, lookUp: Parameters<Task['call']>[0][number]): Promise<LinkInfo | null> {
  try {
    const { outputs } = await task.call([lookUp]);
    return parseLink(outputs[0] ?? new Uint8Array());
  } catch (error) {
    if (hasCode(error, 'ENODEV')) return null;
    throw error;
  }
}

/** Containers could else give this machine routes, as routers of IPv6 do (Documentation/networking/ip-sysctl.rst: accept_ra). */
function refuseAdvertisements(bridge: string): void {
  const path = `/proc/sys/net/ipv6/conf/${bridge}/accept_ra`;
  attempt(`write ${path}`, () => {
    try {
      writeFileSync(path, '0', { flag: 'r+' });
    } catch (error) {
      // a kernel without IPv6
      if (!hasCode(error, 'ENOENT')) throw error;
    }
  });
}

function taken(name: string, link: string, cause?: unknown): NacelleError {
  const message = `make the bridge of the network ${name}: the link ${link} has its place, and is none of ours. Remove that, or rename it`;
  return new NacelleError(message, { code: 'ERR_NAME_TAKEN', ...(cause === undefined ? {} : { cause }) });
}

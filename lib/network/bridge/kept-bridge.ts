import { writeFileSync } from 'node:fs';
import { hasCode, NacelleError } from '../../errors.js';
import { writeRecord } from '../../host/journal.js';
import { reapFirst } from '../../host/reap.js';
import { withRecord } from '../../host/recorded.js';
import { clearTimeout, setTimeout } from '../../native/clock.js';
import { endOf, undone } from '../../native/host-work.js';
import { ownerName, start } from '../../native/shim.js';
import { attempt } from '../../native/system-errors.js';
import type { Task } from '../../native/task.js';
import { newId } from '../../plan/id.js';
import { Slots } from '../../plan/plan.js';
import type { Slot } from '../../plan/steps.js';
import { defaultLink } from '../ipam/routes.js';
import { type LinkInfo, parseLink } from '../link.js';
import { removeVoidOffers } from './address-lease.js';
import { keeperPlan, lookUpBridge, lookUpLink, makeBridgeSteps } from './bridge-plan.js';
import { findNetwork, noNetwork, withNetworkFiles } from './network-file.js';
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
import { clashOf, gatewaysOf, type NetworkRecord, subnetsOf } from './network-settings.js';
import { ownRoutes, takenByMachine } from './taken-subnets.js';

/** A bridge that is there as long as this process uses it. */
export interface KeptBridge {
  readonly index: number;
  /** Bytes. */
  readonly mtu: number;
  readonly record: NetworkRecord;
  /** The name of this process's use. */
  readonly keeper: string;
}

interface Keeper {
  readonly bridge: Promise<KeptBridge & { readonly task: Task }>;
  users: number;
  timer: NodeJS.Timeout | undefined;
}

/** How long the bridge stays after this process's last use, in ms: programs run one container after the other. */
const LINGER = 1000;

/** By the networks' folders in the runtime folder. */
const keepers = new Map<string, Keeper>();

/**
 * Keeps a network's bridge, which is made when it is not there.
 *
 * @returns the bridge, and what lets it go: to be called once
 * @throws NacelleError `ERR_NO_NETWORK`, `ERR_SUBNET_TAKEN`, `ERR_NAME_TAKEN`; SyscallError
 */
export async function keepBridge(name: string): Promise<KeptBridge & { release(): void }> {
  const key = networkFolder(name);
  const keeper = keepers.get(key) ?? begin(key, name);
  clearTimeout(keeper.timer);
  keeper.users++;
  let isReleased = false;
  const release = (): void => {
    if (isReleased) return;
    isReleased = true;
    if (--keeper.users > 0 || keepers.get(key) !== keeper) return;
    keeper.timer = setTimeout(() => void letGo(key, keeper), LINGER).unref();
  };
  try {
    return { ...(await keeper.bridge), release };
  } catch (error) {
    // there is no bridge to let go
    keeper.users--;
    throw error;
  }
}

/** Lets a network's bridge go at once when nobody in this process uses it any more. */
export async function dropIdleBridge(name: string): Promise<void> {
  const key = networkFolder(name);
  const keeper = keepers.get(key);
  if (keeper && keeper.users === 0) await letGo(key, keeper);
}

async function letGo(key: string, keeper: Keeper): Promise<void> {
  clearTimeout(keeper.timer);
  if (keepers.get(key) === keeper) keepers.delete(key);
  const { task } = await keeper.bridge;
  // what can't be removed now stays in the journal, for the next reap
  await endOf(task);
}

function begin(key: string, name: string): Keeper {
  const bridge = make(name);
  const keeper: Keeper = { bridge, users: 0, timer: undefined };
  keepers.set(key, keeper);
  const forget = (): void => {
    if (keepers.get(key) === keeper) keepers.delete(key);
  };
  // the next call tries again; a shim that has died has let it go
  bridge.then(({ task }) => task.ended).then(forget, forget);
  return keeper;
}

async function make(name: string): Promise<KeptBridge & { readonly task: Task }> {
  if ((await findNetwork(name)) === null) throw noNetwork(name);
  await reapFirst();
  const id = newId();
  const slots = new Slots();
  const socket = slots.take();
  const use = useOf(name, id);
  const forget = writeRecord(ownerName(), `network-${id}`, [useRecord(use)]);
  const task = await withRecord(forget, async () => {
    makeNetworkFolder(name);
    return start(keeperPlan(socket, useStep(use), [...leaveSteps(use, slots), ...forget]), slots.descriptors);
  });
  try {
    const bridge = await withNetwork(name, () => findOrMake(name, task, socket));
    return { ...bridge, keeper: id, task };
  } catch (error) {
    // not under the lock, for which the shim would wait
    throw await undone([{ task, removal: [] }], error);
  }
}

async function findOrMake(name: string, task: Task, socket: Slot): Promise<Omit<KeptBridge, 'keeper'>> {
  // others may have removed it, or made it anew: who does so has seen our use, or we see what was done
  const record = await withNetworkFiles(() => findNetwork(name));
  if (record === null) throw noNetwork(name);
  const bridge = bridgeOf(name);
  const found = await linkOf(task, lookUpBridge(socket, bridge));
  if (found && (found.kind !== 'bridge' || found.name !== bridge.name)) throw taken(name, found.name);
  if (record.persist) markPersistent(name);
  removeVoidOffers(name);
  if (found?.up) {
    refuseAdvertisements(bridge.name);
    return { index: bridge.index, mtu: found.mtu, record };
  }
  const clash = found ? null : subnetsOf(record).flatMap((subnet) => clashOf(subnet, takenByMachine()) ?? [])[0];
  if (clash) {
    const problem = `its subnet overlaps ${clash.subnet.text}, which ${clash.whose} has by now`;
    throw new NacelleError(`make the bridge of the network ${name}: ${problem}. Remove the network and make it anew`, {
      code: 'ERR_SUBNET_TAKEN',
    });
  }
  const mtu = record.mtu ?? (await defaultMtu(task, socket));
  const settings = { mtu, addresses: gatewaysOf(record), isHalf: found !== null };
  await task.call(makeBridgeSteps(socket, bridge, settings)).catch((error: unknown) => {
    throw hasCode(error, 'EEXIST') ? taken(name, bridge.name, error) : error;
  });
  refuseAdvertisements(bridge.name);
  return { index: bridge.index, mtu, record };
}

/** A use without an end: it goes with the network, or at a reboot, as the bridge does. */
function markPersistent(name: string): void {
  const { path } = useOf(name, PERSIST);
  attempt(`write ${path}`, () => writeFileSync(path, '', { mode: 0o600 }));
}

async function defaultMtu(task: Task, socket: Slot): Promise<number> {
  const link = defaultLink(ownRoutes());
  const found = link === null ? null : await linkOf(task, lookUpLink(socket, link));
  return found?.mtu ?? 1500;
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

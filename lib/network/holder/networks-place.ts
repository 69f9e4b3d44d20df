import { mkdirSync, rmdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { hasCode, SyscallError, UnsupportedError } from '../../errors.js';
import { containerShim, launchContainerShim } from '../../host/container-shim.js';
import { hasIpv6 } from '../../host/ipv6.js';
import { ownNetworkNamespace } from '../../host/locate.js';
import { requirePasta } from '../../host/pasta-feature.js';
import { privilege } from '../../host/privilege.js';
import type { Connection } from '../../native/connection.js';
import { runtimeDir } from '../../native/runtime-dir.js';
import { connectTo, type Shim } from '../../native/shim.js';
import { isShimLost } from '../../native/shim-error.js';
import { attempt } from '../../native/system-errors.js';
import { newId } from '../../plan/id.js';
import type { Step } from '../../plan/steps.js';
import { withRemovable } from '../../store/removable-lock.js';
import { findHolders, type Holder, holderFolder, isThere, namespaceOf, noteHolder } from './holder-note.js';
import { holderPlan, keepLeft } from './holder-plan.js';
import { areFoldersLeft, foldersOf, removeLeft } from './left-folders.js';

// Where the bridges of this process's networks are. Root's are in its own network namespace. An ordinary user may make none there: all bridges of
// the user are in one network namespace below the user namespace of the user's containers, whichever process makes them. A shim holds it, which
// has a socket as that of a detached container has. Each task that works there is connected to that, and the holder ends with the last one.

/** The network namespace with the bridges, for tasks that are about to begin. */
export interface NetworksPlace {
  /** Its inode number. */
  readonly namespace: number;
  /** Who works there. */
  readonly shim: Shim;
  /** Host steps by which a task works there from then on: netlink sockets that name no namespace are opened there. */
  readonly enter: readonly Step[];
}

/** The holder that was found last. */
let known: Holder | null = null;

/**
 * The inode number of the network namespace with the bridges of this process's networks. For an ordinary user without networks now it is 0, which
 * no namespace has.
 */
export function networksNamespace(): number {
  if (privilege().kind === 'root') return ownNetworkNamespace();
  return holder()?.namespace ?? 0;
}

/** Where bridges are now, without a promise that they stay; `null` for an ordinary user without networks now. */
export function networksNow(): Pick<NetworksPlace, 'enter'> | null {
  if (privilege().kind === 'root') return { enter: [] };
  const found = holder();
  return found === null ? null : { enter: enterSteps(found) };
}

function holder(): Holder | null {
  if (known !== null && isThere(known)) return known;
  [known = null] = findHolders();
  return known;
}

/** The path of a file of /proc/net that tells of the bridges' network namespace; `null` where there is none. */
export function networksFile(name: string): string | null {
  if (privilege().kind === 'root') return `/proc/self/net/${name}`;
  const found = holder();
  return found === null ? null : `/proc/${found.pid}/net/${name}`;
}

/**
 * Has a task begin in the network namespace with the bridges, which for an ordinary user is made where it is not there.
 *
 * @param work begins the task, with the steps `enter` first: from then on the namespace stays as long as that task
 * @throws SyscallError; UnsupportedError where this user can't have a user namespace; what `work` throws
 */
export async function inNetworks<T>(work: (place: NetworksPlace) => Promise<T>): Promise<T> {
  const shim = await containerShim();
  if (privilege().kind === 'root') return work({ namespace: ownNetworkNamespace(), shim, enter: [] });
  const { connection, ...held } = await holdNetworks(shim);
  try {
    known = held.holder;
    return await work({ namespace: known.namespace, shim, enter: enterSteps(known) });
  } finally {
    connection.close();
  }
}

function enterSteps({ id, pid, namespace }: Holder): Step[] {
  return [{ op: 'networks_in', host: true, folder: holderFolder(id), path: `/proc/${pid}/ns/net`, inode: namespace }];
}

interface Held {
  readonly holder: Holder;
  /** The holder stays as long as this is open. */
  readonly connection: Connection;
}

/** Connects to the holder, which is started where there is none: by one process, while others wait. */
async function holdNetworks(shim: Shim): Promise<Held> {
  const found = await connectToAny(shim);
  if (found !== null) return found;
  return underLock(async () => (await connectToAny(shim)) ?? (await startHolder()));
}

/** Removes the folders of an ordinary user's networks whose holder was killed, where no container has them any more. @throws SyscallError */
export async function removeLeftNetworks(): Promise<void> {
  if (privilege().kind === 'root' || !areFoldersLeft()) return;
  await underLock(async () => removeLeft(null));
}

function underLock<T>(work: () => Promise<T>): Promise<T> {
  const lock = join(runtimeDir(), 'networks', '.holder', 'lock');
  const makeFolder = (): void => {
    attempt(`make the folder ${dirname(lock)}`, () => mkdirSync(dirname(lock), { recursive: true, mode: 0o700 }));
  };
  return withRemovable(lock, makeFolder, async () => {
    try {
      return await work();
    } finally {
      removeLock(lock);
    }
  });
}

/** Nothing is left of the lock while nobody starts a holder. Whoever waits for the file finds that it has gone. */
function removeLock(lock: string): void {
  attempt(`remove ${lock}`, () => {
    rmSync(lock, { force: true });
    try {
      for (const folder of [dirname(lock), dirname(dirname(lock))]) rmdirSync(folder);
    } catch (error) {
      // others wait for the lock, or have networks
      if (!hasCode(error, 'ENOENT', 'ENOTEMPTY', 'EEXIST')) throw error;
    }
  });
}

async function connectToAny(shim: Shim): Promise<Held | null> {
  const users = namespaceOf(shim.pid, 'user');
  for (const holder of findHolders()) {
    // a shim has rights over the network namespace where both are below its own user namespace
    if (namespaceOf(holder.pid, 'user') !== users) continue;
    const connection = await connectToHolder(holder.id);
    if (connection !== null) return { holder, connection };
  }
  return null;
}

/** `null` where the holder ends just now, or has been killed: one that has answered stays as long as the connection. */
async function connectToHolder(id: string): Promise<Connection | null> {
  let connection: Connection | null = null;
  try {
    connection = connectTo(holderFolder(id));
    await connection.introduce();
    return connection;
  } catch (error) {
    connection?.close();
    if (isShimLost(error) || hasCode(error, 'ENOENT', 'ECONNREFUSED')) return null;
    throw error;
  }
}

/** With a way out by pasta, where that can be had and finds one. */
async function startHolder(): Promise<Held> {
  const pasta = usablePasta();
  try {
    return await startWith(pasta);
  } catch (error) {
    const isPastas = error instanceof SyscallError && (error.step === 'start_pasta' || error.step === 'await_pasta');
    if (pasta === null || !isPastas) throw error;
    return startWith(null);
  }
}

function usablePasta(): string | null {
  try {
    return requirePasta({ ofOthers: false });
  } catch (error) {
    if (error instanceof UnsupportedError) return null;
    throw error;
  }
}

async function startWith(pasta: string | null): Promise<Held> {
  const id = newId();
  const connection = await launchContainerShim(id);
  try {
    const task = await connection.startPlan(holderPlan(hasIpv6(), pasta), new Map());
    task.unref();
    // its end is no concern of this process, which has let the holder go by then, or hears of it by what it does next
    task.ended.catch(() => undefined);
    const namespace = namespaceOf(task.pid, 'net') ?? 0;
    const holder = { id, pid: task.pid, namespace };
    removeLeft(namespace);
    await task.call([keepLeft(foldersOf(namespace))]);
    noteHolder(holder);
    return { holder, connection };
  } catch (error) {
    connection.close();
    throw error;
  }
}

import { existsSync, fstatSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { doAll, toError } from '../../errors.js';
import { writeRecord } from '../../host/journal.js';
import { findNetworkNamespace, ownNetworkNamespace } from '../../host/locate.js';
import { makeNetworkNamespace } from '../../host/network-namespace.js';
import { dropRecord, withRecord } from '../../host/recorded.js';
import { storeRoot } from '../../host/store-path.js';
import { endOf } from '../../native/host-work.js';
import { closeDescriptor } from '../../native/load-addon.js';
import { ownerName, start } from '../../native/shim.js';
import { attempt, attempting } from '../../native/system-errors.js';
import type { Task } from '../../native/task.js';
import { NONE, planOf } from '../../plan/plan.js';
import type { Step } from '../../plan/steps.js';
import { withLock } from '../../store/store-lock.js';
import {
  attachmentsOf,
  folderOf,
  forgetAttachment,
  isLive,
  liveFile,
  makingFile,
  type NotedAttachment,
  noteAttachment,
  notedFolders,
  removeContainerFolder,
  withContainer,
} from './attachment-files.js';
import { type Added, addBy, deleteBy, type PluginChain } from './chain.js';

/** A container's place in one network of plugins. */
export interface WantedAttachment {
  /** The network's name, and the store that it is written down in. */
  readonly network: string;
  readonly store: string;
  readonly chain: PluginChain;
  readonly interface: string;
  readonly args: Readonly<Record<string, string>>;
  readonly capabilities: Readonly<Record<string, unknown>>;
}

/** Descriptors of network namespaces, by the containers'. Their paths are what plugins are given, so they stay until the containers are detached. */
const namespaces = new Map<string, number>();

/** What keeps the containers alive, as plugins are concerned, that this process is making, or whose end it has yet to hear of. */
const making = new Map<string, Task>();

/** What is done for containers that have ended, or were never made, and that nobody has waited for yet. */
const ending = new Set<Promise<void>>();

/** The networks of plugins that a container is on. */
export interface PluggedContainer {
  /** @throws CniError; the signal's reason */
  attach(wanted: WantedAttachment, signal: AbortSignal | null): Promise<Added>;
  /** Host steps of the container's task: from then on it is no more, and the plugins take back what they made. */
  steps(): { readonly prepare: readonly Step[]; readonly undo: readonly Step[] };
  /** `isHandedOver`: a task has, or had, these steps. Once. */
  release(isHandedOver: boolean): void;
}

/**
 * Begins to note what plugins do for a container that is about to be made.
 *
 * @param of.owner the shim that makes and ends it
 * @param of.namespace a descriptor of its network namespace, which is closed when the container is detached
 */
export async function plugContainer({ id, owner, namespace }: { id: string; owner: string; namespace: number }): Promise<PluggedContainer> {
  const folder = folderOf(id);
  namespaces.set(id, namespace);
  try {
    const path = liveFile(folder);
    const live = fileSteps(path, writeRecord(owner, `${id}-cni`, [{ kind: 'file', path }]));
    await withContainer(folder, () => beginMaking(id, makingFile(folder)));
    return {
      attach: (wanted, signal) => withContainer(folder, () => attachOne(id, namespace, wanted, signal)),
      steps: () => live,
      release(isHandedOver) {
        if (!isHandedOver) dropRecord(live.undo);
        const ended = detachEnded(id);
        ending.add(ended);
        // told by `settleEnded`, and what is left is tried again by the next reap
        ended.catch(() => undefined).finally(() => ending.delete(ended));
      },
    };
  } catch (error) {
    closeNamespace(id);
    throw error;
  }
}

/** A task of this process's own keeps the file until the container's task has begun: when this process dies before, nobody else would remove it. */
async function beginMaking(id: string, path: string): Promise<void> {
  const forget = writeRecord(ownerName(), `${id}-cni-making`, [{ kind: 'file', path }]);
  const steps = fileSteps(path, forget);
  making.set(id, await withRecord(forget, () => start(planOf(steps), new Map())));
}

function fileSteps(path: string, forget: readonly Step[]) {
  const made: Step = { op: 'put_file', host: true, at: NONE, path, bytes: new Uint8Array() };
  return { prepare: [made], undo: [{ op: 'unlink', host: true, at: NONE, path } as const, ...forget] };
}

async function attachOne(id: string, namespace: number, wanted: WantedAttachment, signal: AbortSignal | null): Promise<Added> {
  const { chain, network, store, args, capabilities } = wanted;
  const request = { id, interface: wanted.interface, netns: `/proc/${process.pid}/fd/${namespace}`, args, capabilities };
  const noted: NotedAttachment = {
    ...{ network, store, request, inode: fstatSync(namespace).ino, result: null },
    ...{ list: copied(chain), version: chain.version, path: [...chain.path], timeout: chain.timeout },
  };
  return besideCollecting('shared', async () => {
    // before anything is made, so that a DEL follows also when this process dies
    noteAttachment(folderOf(id), noted);
    const added = await addBy(chain, request, signal);
    noteAttachment(folderOf(id), { ...noted, result: added.printed });
    return added;
  });
}

function copied({ list }: PluginChain): NotedAttachment['list'] {
  return { ...list, versions: [...list.versions], plugins: [...list.plugins] };
}

/**
 * Detaches a container from its networks of plugins, when its task has ended, or never began. Nothing is done for one that lives, and for one that
 * was detached.
 *
 * @throws CniError; NacelleError `ERR_RECORD`; the files of what could not be taken back stay, so a later call tries again
 */
export async function detachEnded(id: string): Promise<void> {
  const task = making.get(id);
  making.delete(id);
  const failure = task ? await endOf(task) : undefined;
  const folder = folderOf(id);
  if (isLive(folder)) return;
  try {
    if (existsSync(folder)) await detachIn(folder, null);
  } finally {
    closeNamespace(id);
  }
  if (failure) throw failure;
}

/** @param within the network namespace to run plugins in, by a descriptor; `null`: that of this process */
async function detachIn(folder: string, within: number | null): Promise<void> {
  await withContainer(folder, async () => {
    // somebody begins to make it
    if (isLive(folder)) return;
    const attachments = attachmentsOf(folder).toReversed();
    try {
      if (attachments.length > 0)
        await besideCollecting('shared', () => doAll(attachments.map((one) => () => detachOne(folder, one, within))));
    } finally {
      removeContainerFolder(folder);
    }
  });
}

function closeNamespace(id: string): void {
  const namespace = namespaces.get(id);
  namespaces.delete(id);
  if (namespace !== undefined) closeDescriptor(namespace);
}

async function detachOne(folder: string, noted: NotedAttachment, within: number | null): Promise<void> {
  const netns = isThere(noted) ? noted.request.netns : null;
  await deleteBy({ ...noted, within }, { ...noted.request, netns }, noted.result);
  forgetAttachment(folder, noted);
}

/** Whether the path that the plugins were given leads to the container's network namespace still, and to no file that has the same number elsewhere. */
export function isThere({ request: { netns }, inode }: { readonly request: { readonly netns: string }; readonly inode: number }): boolean {
  const namespaces = attempt('look at a network namespace', () => statSync('/proc/self/ns/net').dev);
  try {
    const { dev, ino } = statSync(netns);
    return dev === namespaces && ino === inode;
  } catch {
    // the process whose descriptor it was has ended
    return false;
  }
}

/** Waits until those containers are detached that this process has let go. @returns what could not be done */
export async function settleEnded(): Promise<Error | undefined> {
  return doAll([...ending].map((ended) => () => ended)).then(
    () => undefined,
    (error: unknown) => toError(error),
  );
}

/**
 * Detaches the containers that have ended, or whose makers have died. Of those in other network namespaces only the ones whose namespace has gone:
 * their plugins are run in a new one, since what they keep elsewhere, as addresses that are given, is still there.
 *
 * @returns what could not be done
 */
export async function detachAllEnded(): Promise<Error[]> {
  const failures: Error[] = [];
  const own = ownNetworkNamespace();
  for (const { namespace, id, folder } of notedFolders()) {
    // what is being made is none of them
    if (isLive(folder)) continue;
    try {
      if (namespace === own) await detachEnded(id);
      else if (findNetworkNamespace(namespace) === 'gone') await detachInNew(folder);
    } catch (error) {
      failures.push(toError(error));
    }
  }
  return failures;
}

async function detachInNew(folder: string): Promise<void> {
  const within = await makeNetworkNamespace(null);
  try {
    await detachIn(folder, within);
  } finally {
    closeDescriptor(within);
  }
}

/** Attaching and detaching go on at the same time, but never while plugins remove what no container has (GC). */
export function besideCollecting<T>(kind: 'shared' | 'exclusive', work: () => Promise<T>): Promise<T> {
  const folder = join(storeRoot(), 'cni');
  return attempting(`lock the folder ${folder}`, () => withLock(folder, kind, work));
}

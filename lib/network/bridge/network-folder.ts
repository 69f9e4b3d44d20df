import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, rmdirSync, rmSync, statSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { hasCode } from '../../errors.js';
import type { HostRecord } from '../../host/journal.js';
import { runtimeDir } from '../../native/runtime-dir.js';
import { attempt, attempting } from '../../native/system-errors.js';
import { NETLINK_ROUTE } from '../../plan/constants.js';
import { NONE, type Slots } from '../../plan/plan.js';
import type { Step } from '../../plan/steps.js';
import { lockFile } from '../../store/store-lock.js';

// What is running of a network, in the runtime folder:
//
//   networks/NETNS/NAME/lock   exclusive for who makes or removes the bridge, or looks whether anybody uses it
//   networks/NETNS/NAME/uses   a file for each use: while there is one, the bridge stays
//       ADDRESS                the lease of a container
//       ID                     a process that keeps the bridge for its containers, or a container that shares another's network
//       persist                the network itself
//   networks/NETNS/NAME/offers an address that a process has chosen for a container: its plan makes a lease of that, and an offer is void
//                              when the process does not keep the bridge any more. KEEPER.new is one that is being written
//   networks/NETNS/NAME/last   the number of the address given last
//
// NETNS is the inode number of the network namespace with the bridge: processes in another one have bridges of their own.

/** A use's place, and what its file says, which is no other's words. */
export interface Use {
  readonly path: string;
  readonly text: string;
  readonly lock: string;
  /** The link group of the bridge, by which it is removed with the last use. */
  readonly group: number;
}

/** The use of a network that keeps its bridge without a container. */
export const PERSIST = 'persist';

function lockPath(name: string): string {
  return join(networkFolder(name), 'lock');
}

export function networkNamespace(): number {
  return attempt("look at this process's network namespace", () => statSync('/proc/self/ns/net').ino);
}

export function networkFolder(name: string): string {
  return join(runtimeDir(), 'networks', String(networkNamespace()), name);
}

export function useOf(name: string, use: string, text = use): Use {
  return { path: join(networkFolder(name), 'uses', use), text, lock: lockPath(name), group: bridgeOf(name).index };
}

/** The files of all offers of a network. */
export function offersOf(name: string): string[] {
  const folder = join(networkFolder(name), 'offers');
  return attempt(`list ${folder}`, () => readdirSync(folder)).map((address) => join(folder, address));
}

export function offerPath(name: string, address: string): string {
  return join(networkFolder(name), 'offers', address);
}

const UNFINISHED = '.new';

/** The file from which a process makes an offer, among the offers; it makes one at a time. */
export function unfinishedOffer(name: string, keeper: string): string {
  return offerPath(name, `${keeper}${UNFINISHED}`);
}

/** `undefined` for an offer. */
export function keeperOfUnfinished(path: string): string | undefined {
  return path.endsWith(UNFINISHED) ? basename(path, UNFINISHED) : undefined;
}

/** The names of a network's uses in this process's network namespace. */
export function usesOf(name: string): string[] {
  return namesIn(join(networkFolder(name), 'uses'));
}

/** Whether a process or a container uses a network, in any network namespace. */
export function isUsed(name: string): boolean {
  const all = join(runtimeDir(), 'networks');
  return namesIn(all).some((namespace) => namesIn(join(all, namespace, name, 'uses')).some((use) => use !== PERSIST));
}

function namesIn(folder: string): string[] {
  return attempt(`list ${folder}`, () => {
    try {
      return readdirSync(folder);
    } catch (error) {
      if (hasCode(error, 'ENOENT', 'ENOTDIR')) return [];
      throw error;
    }
  });
}

/** What a use says; `null` when it has gone. */
export function readUse(name: string, use: string): string | null {
  const { path } = useOf(name, use);
  return attempt(`read ${path}`, () => {
    try {
      return readFileSync(path, 'utf8');
    } catch (error) {
      if (hasCode(error, 'ENOENT')) return null;
      throw error;
    }
  });
}

export function makeNetworkFolder(name: string): void {
  for (const part of ['uses', 'offers']) {
    const folder = join(networkFolder(name), part);
    attempt(`make the folder ${folder}`, () => mkdirSync(folder, { recursive: true, mode: 0o700 }));
  }
}

/** Removes the folders of a network that nobody uses. The caller has the network's lock, which goes with them. */
export function removeNetworkFolder(name: string): void {
  const folder = networkFolder(name);
  attempt(`remove ${folder}`, () => {
    try {
      rmdirSync(join(folder, 'uses'));
      rmSync(join(folder, 'last'), { force: true });
      rmSync(join(folder, 'offers'), { recursive: true, force: true });
      rmSync(lockPath(name), { force: true });
      for (const path of [folder, dirname(folder), dirname(dirname(folder))]) rmdirSync(path);
    } catch (error) {
      // others have begun to use a network of this name, or of this namespace
      if (!hasCode(error, 'ENOENT', 'ENOTEMPTY', 'EEXIST')) throw error;
    }
  });
}

/** A network's bridge. Its index, and its link group, are the same number, so that nobody must look them up. */
export interface Bridge {
  /** 12 bytes. */
  readonly name: string;
  readonly index: number;
}

/** The first of the numbers that are ours: smaller ones are left to the kernel and the administrator, who count from the bottom. */
const FIRST = 2 ** 30;

/** Another runtime folder may have a network of the same name beside it, so the folder is a part of the bridge's name. */
export function bridgeOf(name: string): Bridge {
  const hash = createHash('sha256').update(`${runtimeDir()}\0${name}`).digest();
  return { name: `ncl-${hash.toString('hex', 0, 4)}`, index: FIRST + (hash.readUInt32BE(4) % (FIRST - 1)) };
}

/** Does some work with a network's folders and lock; it must not have the shim leave the bridge, which takes the same lock. */
export async function withNetwork<T>(name: string, work: () => Promise<T>): Promise<T> {
  const file = await lockNetwork(name);
  try {
    // whoever had the lock before may have removed them
    makeNetworkFolder(name);
    return await work();
  } finally {
    await file.close();
  }
}

async function lockNetwork(name: string): Promise<FileHandle> {
  const path = lockPath(name);
  return attempting(`lock ${path}`, async () => {
    for (;;) {
      makeNetworkFolder(name);
      const file = await open(path, 'a+', 0o600).catch((error: unknown) => {
        // the network has just been removed by another process
        if (hasCode(error, 'ENOENT')) return null;
        throw error;
      });
      if (file === null) continue;
      try {
        await lockFile(file, 'exclusive');
        if ((await file.stat()).nlink > 0) return file;
      } catch (error) {
        await file.close();
        throw error;
      }
      // another process has removed the network, and perhaps made a new file
      await file.close();
    }
  });
}

/** Host steps by which a use ends: the last one removes the bridge. */
export function leaveSteps({ path, lock, group }: Use, slots: Slots): Step[] {
  const socket = slots.take();
  return [
    { op: 'unlink', host: true, at: NONE, path },
    { op: 'netlink_socket', host: true, out: socket, ns: NONE, protocol: NETLINK_ROUTE },
    { op: 'leave_bridge', host: true, socket, group, uses: dirname(path), lock },
    { op: 'close', host: true, slot: socket },
  ];
}

/** Host steps that remove a bridge which nobody uses, for a caller with its network's lock. */
export function removeSteps({ index }: Bridge, slots: Slots): Step[] {
  const socket = slots.take();
  return [
    { op: 'netlink_socket', host: true, out: socket, ns: NONE, protocol: NETLINK_ROUTE },
    { op: 'remove_links', host: true, socket, group: index },
    { op: 'close', host: true, slot: socket },
  ];
}

/** The host step that makes a use which is no lease. */
export function useStep({ path, text }: Use): Step {
  return { op: 'put_file', host: true, at: NONE, path, bytes: Buffer.from(text) };
}

/** What tells a reap of a use. It is written down before the use is made. */
export function useRecord({ path, text, lock, group }: Use): HostRecord {
  return { kind: 'use', path, text, lock, group, namespace: networkNamespace() };
}

import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, realpathSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { hasCode } from '../../errors.js';
import { forwardingIn, leaveForwarding } from '../../host/forwarding.js';
import { filesOf, type HostRecord, recordedNamespace } from '../../host/journal.js';
import { storeRoot } from '../../host/store-path.js';
import { listIfThere, readIfThere } from '../../native/read-if-there.js';
import { runtimeDir } from '../../native/runtime-dir.js';
import { attempt } from '../../native/system-errors.js';
import { NETLINK_ROUTE } from '../../plan/constants.js';
import { NONE, type Slots } from '../../plan/plan.js';
import type { Step } from '../../plan/steps.js';
import { withRemovable } from '../../store/removable-lock.js';
import { networksNamespace } from '../holder/networks-place.js';
import { FIRST_OWN_NUMBER } from '../link-numbers.js';
import { lastAddressIn, lockIn, macsIn, offersIn, rulesIn, usesIn } from '../network-files.js';
import type { TunnelPort } from '../vxlan/tunnel-plan.js';

// What is running of a network, in the runtime folder:
//
//   networks/NETNS/NAME@STORE/lock   exclusive for who makes or removes the bridge, or looks whether anybody uses it
//   networks/NETNS/NAME@STORE/uses   a file for each use: while there is one, the bridge stays
//       ADDRESS                      the lease of a container
//       ID                           a process that keeps the bridge for its containers, or a container that shares another's network
//       persist                      the network itself
//   networks/NETNS/NAME@STORE/offers an address that a process has chosen for a container: its plan makes a lease of that, and an offer is
//                                    void when the process does not keep the bridge any more. The offers of a process are links to one file, KEEPER.new
//   networks/NETNS/NAME@STORE/last   the number of the address given last
//   networks/NETNS/NAME@STORE/rules  who holds the tables of rules that detached containers have together (lib/network/rules/shared-note.ts)
//   networks/NETNS/NAME@STORE/macs   a container has, or had, another MAC address than the one that follows from its address
//   networks/NETNS/.forwarding       what has been changed so that packets are forwarded (lib/host/forwarding.ts)
//
// NETNS is the inode number of the network namespace with the bridge: processes in another one have bridges of their own, and those of one
// ordinary user share one (lib/network/holder). STORE tells
// networks of one name in two stores apart.

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

/** The folder of all networks with bridges in the network namespace that this process has them in, or in another one. */
function namespaceFolder(namespace = networksNamespace()): string {
  return join(runtimeDir(), 'networks', String(namespace));
}

export function networkFolder(name: string): string {
  // looked up once: an ordinary user's namespace may go at any moment
  const namespace = networksNamespace();
  return remembered(folders, `${namespace}\0${identityOf(name)}`, () => join(namespaceFolder(namespace), nameWithStore(name)));
}

/** Who joins a network asks dozens of times for its folder and for its bridge. */
const folders = new Map<string, string>();
const bridges = new Map<string, Bridge>();
const MOST_REMEMBERED = 64;

function remembered<T>(known: Map<string, T>, key: string, find: () => T): T {
  const before = known.get(key);
  if (before !== undefined) return before;
  const found = find();
  if (known.size === MOST_REMEMBERED) known.clear();
  known.set(key, found);
  return found;
}

/** No name has an '@'. */
function nameWithStore(name: string): string {
  return `${name}@${hashOf(realStore()).toString('hex', 0, 4)}`;
}

/** Real paths of stores, by the paths that callers gave. */
const realStores = new Map<string, string>();

/** The store by one name, however the caller gives its path. It is looked up once: what a path means is not to change in a process's life. */
function realStore(): string {
  const root = storeRoot();
  const known = realStores.get(root);
  if (known !== undefined) return known;
  return attempt(`look up ${root}`, () => {
    try {
      const real = realpathSync(root);
      realStores.set(root, real);
      return real;
    } catch (error) {
      // no network was ever written down there
      if (hasCode(error, 'ENOENT')) return root;
      throw error;
    }
  });
}

/** What has been changed so that this machine forwards packets (lib/host/forwarding.ts); no network has this name. */
export function forwardingFolder(): string {
  return forwardingIn(namespaceFolder());
}

export function useOf(name: string, use: string, text = use): Use {
  const folder = networkFolder(name);
  return { path: join(usesIn(folder), use), text, lock: lockIn(folder), group: bridgeOf(name).index };
}

/** The use of a container that shares ports of another, and says which. */
export function sharingUse(name: string, use: string, ports: readonly string[]): Use {
  return useOf(name, use, [use, ...ports].join(' '));
}

/** Whether a container shares a port of another's; one that an older version of this library has made may share any. */
export function isPortShared(name: string, port: string): boolean {
  const isOfOlder = (use: string, text: string): boolean => use === text && use.includes('-');
  return usesOf(name).some((use) => {
    const text = readUse(name, use);
    return text !== null && (isOfOlder(use, text) || text.split(' ').includes(port));
  });
}

/** The files of all offers of a network. */
export function offersOf(name: string): string[] {
  const folder = offersIn(networkFolder(name));
  return attempt(`list ${folder}`, () => readdirSync(folder)).map((address) => join(folder, address));
}

export function offerPath(name: string, address: string): string {
  return join(offersIn(networkFolder(name)), address);
}

/** '.new': older versions, of which a process writes such a file and renames it, look for that name. */
const KEEPER_SUFFIX = '.new';

/** What the offers of a process that keeps the bridge are links to, among the offers. */
export function keeperFile(name: string, keeper: string): string {
  return offerPath(name, `${keeper}${KEEPER_SUFFIX}`);
}

/** Who keeps the bridge, by a {@link keeperFile}; `undefined` for an offer. */
export function keeperOf(path: string): string | undefined {
  return path.endsWith(KEEPER_SUFFIX) ? basename(path, KEEPER_SUFFIX) : undefined;
}

/** The names of a network's uses in this process's network namespace. */
export function usesOf(name: string): string[] {
  return listIfThere(usesIn(networkFolder(name)));
}

/** Whether a process or a container uses a network, in any network namespace. */
export function isUsed(name: string): boolean {
  const all = join(runtimeDir(), 'networks');
  return listIfThere(all).some((namespace) =>
    listIfThere(usesIn(join(all, namespace, nameWithStore(name)))).some((use) => use !== PERSIST),
  );
}

/** What a use says; `null` when it has gone. */
export function readUse(name: string, use: string): string | null {
  return readIfThere(useOf(name, use).path);
}

export function sharedRulesFile(name: string): string {
  return rulesIn(networkFolder(name));
}

/** From now on until its bridge goes, neighbours in a network may remember another MAC address for an address than its own. */
export function markOwnMacs(name: string): void {
  const path = macsIn(networkFolder(name));
  attempt(`write ${path}`, () => writeFileSync(path, '', { mode: 0o600 }));
}

export function hasOwnMacs(name: string): boolean {
  return existsSync(macsIn(networkFolder(name)));
}

export function makeNetworkFolder(name: string): void {
  makePartsOf(networkFolder(name));
}

function makePartsOf(folder: string): void {
  for (const path of [usesIn(folder), offersIn(folder)])
    attempt(`make the folder ${path}`, () => mkdirSync(path, { recursive: true, mode: 0o700 }));
}

/** Removes the folder of a network that nobody uses, in any network namespace. The caller has the network's lock, which goes with it. */
export function removeFilesOf(folder: string): void {
  attempt(`remove ${folder}`, () => {
    try {
      rmdirSync(usesIn(folder));
      rmSync(lastAddressIn(folder), { force: true });
      for (const path of [macsIn(folder), ...filesOf(rulesIn(folder))]) rmSync(path, { force: true });
      rmSync(offersIn(folder), { recursive: true, force: true });
      rmSync(lockIn(folder), { force: true });
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

/** With what the names of all bridges begin. */
export const BRIDGE_PREFIX = 'ncl-';

/** Another store or runtime folder may have a network of the same name beside it, so the bridge's name is made of both too. */
export function bridgeOf(name: string): Bridge {
  return remembered(bridges, identityOf(name), () => {
    const hash = hashOf(identityOf(name));
    return { name: `${BRIDGE_PREFIX}${hash.toString('hex', 0, 4)}`, index: numberAt(hash, 4) };
  });
}

/** The bridge's port to other hosts, where the network is one of several: made, named and removed as the bridge is. */
export function tunnelOf(name: string): TunnelPort {
  const hash = hashOf(identityOf(name));
  return { name: `nclx${hash.toString('hex', 0, 4)}`, index: numberAt(hash, 8), bridge: numberAt(hash, 4) };
}

/** What tells a network from all others. */
function identityOf(name: string): string {
  return `${runtimeDir()}\0${realStore()}\0${name}`;
}

function hashOf(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

function numberAt(hash: Buffer, offset: number): number {
  return FIRST_OWN_NUMBER + (hash.readUInt32BE(offset) % (FIRST_OWN_NUMBER - 1));
}

/**
 * Does some work with a network's folders and lock; it must not have the shim leave the bridge, which takes the same lock.
 *
 * @param work is told the folder that has the lock. An ordinary user's namespace may go meanwhile, and with it what {@link networkFolder} tells
 */
export async function withNetwork<T>(name: string, work: (folder: string) => Promise<T>): Promise<T> {
  // the same one for the lock and for what is made: the lock of a folder that nobody makes is waited for without an end
  const folder = networkFolder(name);
  return withRemovable(
    lockIn(folder),
    () => makePartsOf(folder),
    () => work(folder),
  );
}

/** Host steps by which a use ends: the last one removes the bridge. */
export function leaveSteps({ path, text, lock, group }: Use, slots: Slots): Step[] {
  const socket = slots.take();
  return [
    // a use that ended before its container may be another's by now
    { op: 'unlink_if', host: true, at: NONE, path, bytes: Buffer.from(text) },
    { op: 'netlink_socket', host: true, out: socket, ns: NONE, protocol: NETLINK_ROUTE },
    { op: 'leave_bridge', host: true, socket, group, uses: dirname(path), lock },
    { op: 'close', host: true, slot: socket },
    leaveForwarding(forwardingFolder()),
  ];
}

/** Host steps that remove a bridge which nobody uses, for a caller with its network's lock. */
export function removeSteps({ index }: Bridge, slots: Slots): Step[] {
  const socket = slots.take();
  return [
    { op: 'netlink_socket', host: true, out: socket, ns: NONE, protocol: NETLINK_ROUTE },
    { op: 'remove_links', host: true, socket, group: index },
    { op: 'close', host: true, slot: socket },
    leaveForwarding(forwardingFolder()),
  ];
}

/** The host step that makes a use. */
export function useStep({ path, text }: Use): Step {
  return { op: 'put_file', host: true, at: NONE, path, bytes: Buffer.from(text) };
}

/** What tells a reap of a use. It is written down before the use is made. */
export function useRecord({ path, text, lock, group }: Use): HostRecord {
  return { kind: 'use', path, text, lock, group, ...recordedNamespace(networksNamespace()) };
}

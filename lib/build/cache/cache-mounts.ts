import { createHash } from 'node:crypto';
import { readFile, rename, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import { hasCode, NacelleError, withCleanupError } from '../../errors.js';
import { containerShim } from '../../host/container-shim.js';
import { storeRoot } from '../../host/store-path.js';
import { now } from '../../native/clock.js';
import { carryOut } from '../../native/host-work.js';
import { requireOwn } from '../../native/own-folder.js';
import { attempting } from '../../native/system-errors.js';
import { O_PATH } from '../../plan/constants.js';
import { NONE, planOf, Slots } from '../../plan/plan.js';
import { type Hold, hold } from '../../store/lease.js';
import { removeTree, removeTrees } from '../../store/remove-tree.js';
import { lockFile } from '../../store/store-lock.js';
import { listFolder, makeFolder, publish, syncFolder } from '../../store/store-root.js';
import { withTemporary } from '../../store/temporary-folder.js';
import { writeNew } from '../../store/whole-file.js';
import { VolumeLock } from '../../volume/volume-lock.js';

// What RUN --mount=type=cache shows, in the store:
//
//   cache-mounts/HEX-N/data          what RUN sees. HEX: of the namespace, the id and the owner; N: 0, and more for `sharing=private`
//   cache-mounts/HEX-N/mount.json    the namespace, the id and the owner
//   cache-mounts/HEX-N/lock          shared or exclusive for who uses it, exclusive for who removes it. Its time is that of the last use
//
// A folder comes and goes by one rename, so nobody ever finds half of one.

const owner = z.int().nonnegative().default(0);
const schema = z.strictObject({
  ...{ version: z.literal(1), namespace: z.string(), id: z.string(), uid: owner, gid: owner },
  createdAt: z.iso.datetime(),
});

/** Which cache it is. Those of one id that belong to different users are different ones, as BuildKit has them. */
export interface CacheMountName {
  readonly namespace: string;
  readonly id: string;
  readonly uid: number;
  readonly gid: number;
}

export interface CacheMountWanted extends CacheMountName {
  readonly sharing: 'shared' | 'private' | 'locked';
  /** The mode of a new cache that nothing fills. */
  readonly mode: number;
  /** Fills the folder of a new one; `null`: it begins empty. */
  readonly fill: ((folder: string) => Promise<void>) | null;
  /** Its abort ends the waiting, with its reason. */
  readonly signal: AbortSignal | undefined;
}

/** A cache that nobody removes until it is released. */
export interface UsedCacheMount {
  /** The folder with its files. */
  readonly path: string;
  /** Idempotent. */
  release(): void;
}

export interface StoredCacheMount extends CacheMountName {
  /** Its folder's name. */
  readonly name: string;
  readonly createdAt: Date;
  readonly lastUsedAt: Date;
}

/**
 * Takes a cache, which is made when there is none: 'shared' with others, 'locked' alone, for which it waits, 'private' alone, for which there
 * is one more when all that there are have users. Locks are the kernel's (fcntl(2), open file description locks), so they go with the process.
 *
 * @throws NacelleError, SyscallError; the reason of the signal
 */
export async function useCacheMount(wanted: CacheMountWanted, root = storeRoot()): Promise<UsedCacheMount> {
  for (let number = 0; ; ) {
    wanted.signal?.throwIfAborted();
    const folder = folderOf(wanted, number, root);
    const lock = VolumeLock.open(join(folder, 'lock'));
    if (lock === null) {
      const isMade = await withNew(wanted, root, (made) => publishNew(made, folder));
      if (!isMade) await requireWhole(folder, wanted);
      continue;
    }
    try {
      const isTaken = await take(lock, wanted);
      if (isTaken && lock.isCurrent) {
        const seconds = now() / 1000;
        await attempting(`use the cache mount ${wanted.id}`, () => utimes(join(folder, 'lock'), seconds, seconds));
        return { path: join(folder, 'data'), release: () => lock.release() };
      }
      // it was removed meanwhile, or somebody has it alone
      if (!isTaken) number++;
    } catch (error) {
      lock.release();
      throw error;
    }
    lock.release();
  }
}

async function take(lock: VolumeLock, { sharing, signal }: CacheMountWanted): Promise<boolean> {
  if (sharing === 'private') return lock.try('exclusive');
  await lockFile({ fd: lock.fd }, sharing === 'shared' ? 'shared' : 'exclusive', signal);
  return true;
}

function folderOf({ namespace, id, uid, gid }: CacheMountName, number: number, root: string): string {
  const isOfRoot = uid === 0 && gid === 0;
  const hex = createHash('sha256')
    .update(JSON.stringify([namespace, id, ...(isOfRoot ? [] : [uid, gid])]))
    .digest('hex');
  return join(root, 'cache-mounts', `${hex}-${number}`);
}

/** @returns false when there is something in its place, as when another build was faster */
async function publishNew(folder: string, target: string): Promise<boolean> {
  try {
    await publish(folder, target);
    return true;
  } catch (error) {
    if (hasCode(error, 'ENOTEMPTY', 'EEXIST')) return false;
    throw error;
  }
}

/** @throws NacelleError `ERR_RECORD` for a folder without its lock, which no build leaves */
async function requireWhole(folder: string, { id }: CacheMountName): Promise<void> {
  const names = await listFolder(folder);
  if (names.length === 0 || names.includes('lock')) return;
  throw new NacelleError(`the cache mount ${JSON.stringify(id)} is damaged: BuildCache.prune({ type: 'mount' }) removes it`, {
    code: 'ERR_RECORD',
  });
}

/** Makes a cache below a temporary name, and gives it to `publishIt`, which moves it away. */
async function withNew<T>(
  wanted: Omit<CacheMountWanted, 'sharing' | 'signal'>,
  root: string,
  publishIt: (folder: string, held: Hold) => Promise<T>,
): Promise<T> {
  const making = async (folder: string, held: Hold): Promise<T> => {
    await attempting(`make the cache mount ${wanted.id}`, () => makeParts(folder, wanted));
    await wanted.fill?.(join(folder, 'data'));
    return attempting(`make the cache mount ${wanted.id}`, async () => {
      await syncFolder(folder);
      requireOwn(await makeFolder(join(root, 'cache-mounts')));
      return publishIt(folder, held);
    });
  };
  return withTemporary(making, { root });
}

async function makeParts(folder: string, { namespace, id, mode, uid, gid }: Omit<CacheMountWanted, 'sharing' | 'signal'>): Promise<void> {
  await makeFolder(folder);
  const record: z.output<typeof schema> = { version: 1, namespace, id, uid, gid, createdAt: new Date(now()).toISOString() };
  await writeNew(join(folder, 'mount.json'), JSON.stringify(record));
  await writeNew(join(folder, 'lock'), '');
  const slots = new Slots();
  const [parent, data] = [slots.take(), slots.take()];
  const prepare = [
    { op: 'open', host: true, out: parent, at: NONE, path: folder, flags: O_PATH, mode: 0 },
    // an ordinary user can't give the folder to another id, but root of that user's containers can
    { op: 'mkdir', host: true, out: data, root: parent, path: 'data', mode: BigInt(mode), uid: BigInt(uid), gid: BigInt(gid) },
    { op: 'close', host: true, slot: data },
    { op: 'close', host: true, slot: parent },
  ] as const;
  await carryOut(planOf({ prepare: [...prepare] }), new Map(), await containerShim());
}

/** The caches that are there. A damaged note is none. */
export async function listCacheMounts(root = storeRoot()): Promise<StoredCacheMount[]> {
  const names = (await listFolder(join(root, 'cache-mounts'))).toSorted();
  const all = await Promise.all(names.map((name) => storedMount(name, root)));
  return all.filter((found) => found !== null);
}

async function storedMount(name: string, root: string): Promise<StoredCacheMount | null> {
  const folder = join(root, 'cache-mounts', name);
  try {
    const [text, { mtime }] = await Promise.all([readFile(join(folder, 'mount.json'), 'utf8'), stat(join(folder, 'lock'))]);
    const record = parseRecord(text);
    if (record === null) return null;
    const { namespace, id, uid, gid, createdAt } = record;
    return { name, namespace, id, uid, gid, createdAt: new Date(createdAt), lastUsedAt: mtime };
  } catch (error) {
    // it was removed meanwhile
    if (hasCode(error, 'ENOENT')) return null;
    throw error;
  }
}

function parseRecord(text: string): z.output<typeof schema> | null {
  try {
    return schema.safeParse(JSON.parse(text)).data ?? null;
  } catch {
    // half of a note, as after a loss of power
    return null;
  }
}

/** Removes all caches but those that somebody uses, in whatever process. @returns their ids */
export async function pruneCacheMounts(root = storeRoot()): Promise<string[]> {
  // a damaged one has no id
  const known = new Map((await listCacheMounts(root)).map(({ name, id }) => [name, [id]]));
  const held = await hold([], root);
  const [removed, trash]: [string[], string[]] = [[], []];
  try {
    for (const name of await listFolder(join(root, 'cache-mounts'))) {
      const folder = join(root, 'cache-mounts', name);
      const lock = VolumeLock.open(join(folder, 'lock'));
      try {
        if (lock !== null && !(lock.try('exclusive') && lock.isCurrent)) continue;
        const away = await held.temporaryPath();
        await rename(folder, away);
        trash.push(away);
        removed.push(...(known.get(name) ?? []));
      } catch (error) {
        // another prune was faster
        if (!hasCode(error, 'ENOENT')) throw error;
      } finally {
        lock?.release();
      }
    }
    const failure = await removeTrees(trash.splice(0));
    if (failure) throw failure;
    return removed;
  } catch (error) {
    throw withCleanupError(error, await removeTrees(trash));
  } finally {
    held.release();
  }
}

/**
 * The folder of a cache, which nobody removes until it is released; with `sharing=private` the first one.
 *
 * @throws NacelleError `ERR_NO_CACHE_MOUNT`
 */
export async function openCacheMount(of: CacheMountName, root = storeRoot()): Promise<UsedCacheMount> {
  const folder = folderOf(of, 0, root);
  for (;;) {
    const lock = VolumeLock.open(join(folder, 'lock'));
    if (lock === null) throw new NacelleError(`there is no cache mount ${JSON.stringify(of.id)}`, { code: 'ERR_NO_CACHE_MOUNT' });
    try {
      await lock.share();
      if (lock.isCurrent) return { path: join(folder, 'data'), release: () => lock.release() };
    } catch (error) {
      lock.release();
      throw error;
    }
    lock.release();
  }
}

/**
 * Puts a new cache in the place of the one that there is, or of none.
 *
 * @throws NacelleError `ERR_IN_USE` while somebody uses that one; what `fill` throws, and then that one stays
 */
export async function replaceCacheMount(of: CacheMountName, fill: (folder: string) => Promise<void>, root = storeRoot()): Promise<void> {
  const target = folderOf(of, 0, root);
  await withNew({ ...of, mode: 0o755, fill }, root, async (folder, held) => {
    while (!(await publishNew(folder, target))) await putAway(target, { of, held });
  });
}

/** @throws NacelleError `ERR_IN_USE`, `ERR_RECORD` */
async function putAway(target: string, { of, held }: { readonly of: CacheMountName; readonly held: Hold }): Promise<void> {
  const lock = VolumeLock.open(join(target, 'lock'));
  if (lock === null) return requireWhole(target, of);
  try {
    if (!lock.try('exclusive')) throw new NacelleError(`the cache mount ${JSON.stringify(of.id)} is in use`, { code: 'ERR_IN_USE' });
    // it may have been removed before it was locked
    if (!lock.isCurrent) return;
    const away = await held.temporaryPath();
    await rename(target, away);
    await removeTree(away);
  } finally {
    lock.release();
  }
}

import { constants, lstatSync } from 'node:fs';
import { type FileHandle, mkdir, mkdtemp, open, readdir, rename, rmdir, unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { emitWarning, geteuid } from 'node:process';
import { hasCode, toError, withCleanupError } from '../errors.js';
import { tryLock } from '../native/load-addon.js';
import { attempting } from '../native/system-errors.js';
import { removeTrees } from './remove-tree.js';

/**
 * In the folder beside, locked by the process that writes there for as long as that lives. The lock comes before all else there and goes after it, so a
 * folder without a lock is empty.
 */
const LOCK = 'nacelle.lock';

/** A folder beside, and the lock that this process has on it. */
interface Beside {
  readonly folder: string;
  readonly lock: FileHandle;
}

/**
 * Lets something be made beside its place, and puts it there when it is whole. After a failure nothing of it is left. What a process left that was
 * killed meanwhile goes when something is made at the same place again.
 *
 * @param path where nothing is, a file, or an empty folder
 * @param make makes it at a path in a folder that is this user's alone
 * @throws SyscallError; what `make` throws
 */
export async function writtenAside(path: string, make: (temporary: string) => Promise<void>): Promise<void> {
  const parent = dirname(path);
  await attempting(`make the folder ${parent}`, () => mkdir(parent, { recursive: true }));
  await removeLeft(parent, basename(path));
  const beside = await attempting(`write ${path}`, () => ownFolder(join(parent, `.${basename(path)}-`)));
  try {
    const temporary = join(beside.folder, 'new');
    await make(temporary);
    await attempting(`write ${path}`, () => rename(temporary, path));
  } catch (error) {
    const failed = await removed(beside);
    throw withCleanupError(error, failed);
  }
  const failed = await removed(beside);
  if (failed) throw failed;
}

/** Makes a folder that is locked. Until it is, another process may take it for one of a process that has ended, and remove it: then it is another folder. */
async function ownFolder(prefix: string): Promise<Beside> {
  for (;;) {
    const folder = await mkdtemp(prefix);
    try {
      const lock = await lockIn(folder, constants.O_CREAT | constants.O_EXCL);
      if (lock !== null) return { folder, lock };
    } catch (error) {
      const failed = await rmdir(folder).then(() => undefined, toError);
      throw withCleanupError(error, failed);
    }
  }
}

/** Removes a folder and gives its lock up. @returns the failure */
async function removed({ folder, lock }: Beside): Promise<Error | undefined> {
  try {
    const names = await attempting(`look into ${folder}`, () => readdir(folder));
    const failed = await removeTrees(names.filter((name) => name !== LOCK).map((name) => join(folder, name)));
    if (failed) return failed;
    await attempting(`remove ${folder}`, async () => {
      await unlink(join(folder, LOCK));
      await rmdir(folder).catch((error: unknown) => {
        // whoever looks for what others have left may remove an empty folder first
        if (!hasCode(error, 'ENOENT')) throw error;
      });
    });
    return undefined;
  } catch (error) {
    return toError(error);
  } finally {
    await lock.close();
  }
}

/** Removes the folders beside of processes that have ended. */
async function removeLeft(parent: string, name: string): Promise<void> {
  const names = await attempting(`look into ${parent}`, () => readdir(parent));
  const own = names.filter((entry) => entry.startsWith(`.${name}-`) && entry.length === name.length + '.-XXXXXX'.length);
  for (const folder of own.map((entry) => join(parent, entry))) {
    const there = lstatSync(folder, { throwIfNoEntry: false });
    if (there === undefined || !there.isDirectory() || there.uid !== geteuid?.()) continue;
    const failure = await removeUnlocked(folder);
    // a failure to remove what others left is no failure of this process
    if (failure) emitWarning(failure.message, { type: 'NacelleWarning', code: 'ERR_LEAVINGS' });
  }
}

/** Removes a folder that nobody writes to any more. @returns the failure */
async function removeUnlocked(folder: string): Promise<Error | undefined> {
  try {
    const lock = await lockIn(folder, 0);
    if (lock !== null) return await removed({ folder, lock });
    // where there is no lock yet or no longer the folder is empty, and whoever was about to write there makes another one
    await rmdir(folder);
    return undefined;
  } catch (error) {
    // it has just gone or is not empty, so it is somebody's; or it is none of these folders
    return hasCode(error, 'ENOENT', 'ENOTEMPTY', 'EEXIST', 'ELOOP', 'EISDIR', 'EACCES', 'ENOTDIR') ? undefined : toError(error);
  }
}

/** Locks the file in a folder; `null` where another process has the lock, or the file or the folder is not there any more. */
async function lockIn(folder: string, flags: number): Promise<FileHandle | null> {
  let lock: FileHandle;
  try {
    lock = await open(join(folder, LOCK), constants.O_RDWR | constants.O_NOFOLLOW | flags, 0o600);
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return null;
    throw error;
  }
  try {
    if (tryLock(lock.fd, 'exclusive') && (await lock.stat()).nlink > 0) return lock;
  } catch (error) {
    await lock.close();
    throw error;
  }
  await lock.close();
  return null;
}

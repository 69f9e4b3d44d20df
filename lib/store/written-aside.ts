import { constants, lstatSync } from 'node:fs';
import { type FileHandle, mkdir, mkdtemp, open, readdir, rename } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { emitWarning, geteuid } from 'node:process';
import { hasCode, withCleanupError } from '../errors.js';
import { tryLock } from '../native/load-addon.js';
import { attempting } from '../native/system-errors.js';
import { removeTrees } from './remove-tree.js';

/** In the folder beside, locked by the process that writes there for as long as that lives. */
const LOCK = 'nacelle.lock';

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
  const beside = await attempting(`write ${path}`, () => mkdtemp(join(parent, `.${basename(path)}-`)));
  let lock: FileHandle | null = null;
  try {
    lock = await attempting(`write ${path}`, () => open(join(beside, LOCK), 'wx', 0o600));
    tryLock(lock.fd, 'exclusive');
    const temporary = join(beside, 'new');
    await make(temporary);
    await attempting(`write ${path}`, () => rename(temporary, path));
  } catch (error) {
    const failed = await removeTrees([beside]);
    await lock?.close();
    throw withCleanupError(error, failed);
  }
  const failed = await removeTrees([beside]);
  await lock.close();
  if (failed) throw failed;
}

/** Removes the folders beside of processes that have ended. */
async function removeLeft(parent: string, name: string): Promise<void> {
  const names = await attempting(`look into ${parent}`, () => readdir(parent));
  const own = names.filter((entry) => entry.startsWith(`.${name}-`) && entry.length === name.length + '.-XXXXXX'.length);
  for (const folder of own.map((entry) => join(parent, entry))) {
    const lock = await unlocked(folder);
    if (lock === null) continue;
    const failure = await removeTrees([folder]);
    await lock.close();
    // a failure to remove what others left is no failure of this process
    if (failure) emitWarning(failure.message, { type: 'NacelleWarning', code: 'ERR_LEAVINGS' });
  }
}

/** The lock of a folder that nobody writes to any more; `null` where somebody does, or the folder is none of these. */
async function unlocked(folder: string): Promise<FileHandle | null> {
  const there = lstatSync(folder, { throwIfNoEntry: false });
  if (there === undefined || !there.isDirectory() || there.uid !== geteuid?.()) return null;
  const lock = await open(join(folder, LOCK), constants.O_RDWR | constants.O_NOFOLLOW).catch((error: unknown) => {
    if (hasCode(error, 'ENOENT', 'ELOOP', 'EISDIR', 'EACCES')) return null;
    throw error;
  });
  if (lock === null || tryLock(lock.fd, 'exclusive')) return lock;
  await lock.close();
  return null;
}

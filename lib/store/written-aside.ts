import { mkdir, mkdtemp, rename } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { withCleanupError } from '../errors.js';
import { attempting } from '../native/system-errors.js';
import { removeTrees } from './remove-tree.js';

/**
 * Lets something be made beside its place, and puts it there when it is whole. After a failure nothing of it is left.
 *
 * @param path where nothing is, a file, or an empty folder
 * @param make makes it at a path in a folder that is this user's alone
 * @throws SyscallError; what `make` throws
 */
export async function writtenAside(path: string, make: (temporary: string) => Promise<void>): Promise<void> {
  const parent = dirname(path);
  await attempting(`make the folder ${parent}`, () => mkdir(parent, { recursive: true }));
  const beside = await attempting(`write ${path}`, () => mkdtemp(join(parent, `.${basename(path)}-`)));
  try {
    const temporary = join(beside, 'new');
    await make(temporary);
    await attempting(`write ${path}`, () => rename(temporary, path));
  } catch (error) {
    throw withCleanupError(error, await removeTrees([beside]));
  }
  const failed = await removeTrees([beside]);
  if (failed) throw failed;
}

import { existsSync } from 'node:fs';
import { withCleanupError } from '../errors.js';
import { storeRoot } from '../host/store-path.js';
import { type Hold, hold } from './lease.js';
import { removeLeavings } from './leavings.js';
import { removeTree, removeTrees } from './remove-tree.js';

/**
 * Makes something at a path of the store that nothing is at yet, mostly to give it its name by one rename, so that nobody ever finds half of it. What is
 * still at the path afterwards is removed.
 *
 * @param options.digests are held meanwhile
 * @throws as `hold`, and what `work` throws, with the failure to remove what it had made as its `cleanupError`
 */
export async function withTemporary<T>(
  work: (path: string, held: Hold) => Promise<T>,
  { digests = [], root = storeRoot() }: { readonly digests?: readonly string[]; readonly root?: string } = {},
): Promise<T> {
  const held = await hold(digests, root);
  try {
    await removeLeavings(root);
    const path = await held.temporaryPath();
    let result: T;
    try {
      result = await work(path, held);
    } catch (error) {
      throw withCleanupError(error, await removeTrees([path]));
    }
    // a rename has taken it away, unless somebody else was faster
    if (existsSync(path)) await removeTree(path);
    return result;
  } finally {
    held.release();
  }
}

/** A folder of the store that goes when it is closed, or with this process. */
export interface OpenFolder {
  readonly path: string;
  close(): Promise<void>;
}

/**
 * Keeps a folder until it is closed.
 *
 * @param fill makes it, at the path that it gets
 * @throws as `hold`, and what `fill` throws, with the failure to remove what it had made as its `cleanupError`
 */
export async function temporaryFolder(fill: (path: string) => Promise<void>): Promise<OpenFolder> {
  const held = await hold([]);
  try {
    const path = await held.temporaryPath();
    const close = async (): Promise<void> => {
      try {
        await removeTree(path);
      } finally {
        held.release();
      }
    };
    try {
      await fill(path);
    } catch (error) {
      throw withCleanupError(error, await removeTrees([path]));
    }
    return { path, close };
  } catch (error) {
    held.release();
    throw error;
  }
}

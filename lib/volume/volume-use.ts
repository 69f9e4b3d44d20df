import { hasCode } from '../errors.js';
import { storeRoot } from '../host/store-path.js';
import { attempting } from '../native/system-errors.js';
import type { Tree } from './tree-plan.js';
import { fillFromTree } from './volume-content.js';
import { dataFolder, findVolume, isEmpty, lockPath, makeVolume } from './volume-folder.js';
import { VolumeLock } from './volume-lock.js';

/** A volume that can't be removed until it is released. */
export interface UsedVolume {
  /** The folder with the volume's files. */
  readonly path: string;
  /** The descriptor that keeps the volume: a copy of it does so too. */
  readonly lock: number;
  /** Idempotent. */
  release(): void;
}

/**
 * A volume for a container; it is made when there is none of that name. An empty volume that nobody else uses takes the content first. Of
 * several that begin to use it at once, one copies, and the others wait.
 *
 * @param content `null`: nothing is copied
 * @param signal its abort ends the waiting and the copying, with the signal's reason
 * @throws NacelleError, SyscallError
 */
export async function useVolume(name: string, content: Tree | null, signal?: AbortSignal): Promise<UsedVolume> {
  const root = storeRoot();
  for (;;) {
    signal?.throwIfAborted();
    const lock = VolumeLock.open(lockPath(name, root));
    if (lock === null) {
      await makeIfMissing(name, root);
      continue;
    }
    try {
      if (await begin(lock, { name, content, root, signal }))
        return { path: dataFolder(name, root), lock: lock.fd, release: () => lock.release() };
    } catch (error) {
      lock.release();
      throw error;
    }
    lock.release();
  }
}

interface Wanted {
  readonly name: string;
  readonly content: Tree | null;
  readonly root: string;
  readonly signal: AbortSignal | undefined;
}

/** Takes the lock shared, with the volume filled before. @returns false for a volume that was removed meanwhile */
async function begin(lock: VolumeLock, { name, content, root, signal }: Wanted): Promise<boolean> {
  if (content === null) {
    await lock.share(signal);
    return lock.isCurrent;
  }
  const isAlone = await lock.enter(signal);
  if (!lock.isCurrent) return false;
  if (!isAlone) return true;
  const data = dataFolder(name, root);
  if (await attempting(`look into the volume ${name}`, () => isEmpty(data))) {
    await fillFromTree(name, content, signal);
  }
  // from exclusive to shared in one step: nobody gets between
  lock.try('shared');
  return true;
}

async function makeIfMissing(name: string, root: string): Promise<void> {
  if ((await findVolume(name, root)) !== null) return;
  await makeVolume(name, {}, root).catch((error: unknown) => {
    // another process was faster
    if (!hasCode(error, 'ERR_NAME_TAKEN')) throw error;
  });
}

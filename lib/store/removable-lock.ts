import { closeSync, constants, fstatSync, openSync } from 'node:fs';
import { hasCode } from '../errors.js';
import { nextTurn } from '../native/clock.js';
import { attempting } from '../native/system-errors.js';
import { lockFile } from './store-lock.js';

const { O_RDWR, O_APPEND, O_CREAT, O_NOFOLLOW } = constants;

/**
 * Does some work while this process has the lock in a file that whoever has the lock may remove, with its folder.
 *
 * @param makeFolder makes the folder, and what else is to be there during the work
 */
export async function withRemovable<T>(path: string, makeFolder: () => void, work: () => Promise<T>): Promise<T> {
  const file = await attempting(`lock ${path}`, async () => {
    for (;;) {
      makeFolder();
      const opened = openLock(path);
      if (opened === null) {
        // whoever removes the folder may be in this process
        await nextTurn();
        continue;
      }
      try {
        await lockFile({ fd: opened }, 'exclusive');
        if (fstatSync(opened).nlink > 0) return opened;
      } catch (error) {
        closeSync(opened);
        throw error;
      }
      // another process has removed it, and perhaps made a new file
      closeSync(opened);
    }
  });
  try {
    // whoever had the lock before may have removed the rest
    makeFolder();
    return await work();
  } finally {
    closeSync(file);
  }
}

/** `null`: another process has just removed the folder. */
function openLock(path: string): number | null {
  try {
    return openSync(path, O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW, 0o600);
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return null;
    throw error;
  }
}

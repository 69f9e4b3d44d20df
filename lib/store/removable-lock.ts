import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { hasCode } from '../errors.js';
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
      const opened = await open(path, O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW, 0o600).catch((error: unknown) => {
        // another process has just removed the folder
        if (hasCode(error, 'ENOENT')) return null;
        throw error;
      });
      if (opened === null) continue;
      try {
        await lockFile(opened, 'exclusive');
        if ((await opened.stat()).nlink > 0) return opened;
      } catch (error) {
        await opened.close();
        throw error;
      }
      // another process has removed it, and perhaps made a new file
      await opened.close();
    }
  });
  try {
    // whoever had the lock before may have removed the rest
    makeFolder();
    return await work();
  } finally {
    await file.close();
  }
}

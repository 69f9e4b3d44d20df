import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { delay } from '../native/clock.js';
import { tryLock } from '../native/load-addon.js';
import { requireOwn } from '../native/own-folder.js';
import { makeFolder } from './store-root.js';

/** ms between tries: nobody tells when a lock of another process is free, and waiting for it would take a thread of Node's pool. */
const FIRST_PAUSE = 1;
const LONGEST_PAUSE = 50;

/**
 * Waits until a file is locked (fcntl(2), open file description locks: they end with the process, however it dies).
 *
 * @param signal its abort ends the waiting, with the signal's reason
 */
export async function lockFile(file: { readonly fd: number }, kind: 'shared' | 'exclusive', signal?: AbortSignal): Promise<void> {
  for (let pause = FIRST_PAUSE; !tryLock(file.fd, kind); pause = Math.min(2 * pause, LONGEST_PAUSE)) {
    await delay(pause, undefined, signal ? { signal } : {}).catch((error: unknown) => {
      signal?.throwIfAborted();
      throw error;
    });
  }
}

/** Does some work while this process has the lock of the store, or of a folder in it; it must be short. @param signal as {@link lockFile} */
export async function withLock<T>(root: string, kind: 'shared' | 'exclusive', work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
  await makeFolder(root);
  requireOwn(root);
  const file = await open(join(root, 'lock'), 'a+', 0o600);
  try {
    await lockFile(file, kind, signal);
    return await work();
  } finally {
    await file.close();
  }
}

import { open, unlink } from 'node:fs/promises';
import type { Hold } from './lease.js';
import { publish } from './store-root.js';

/** Writes a file of the store as a whole: with one rename the old text becomes the new one, also after a crash. */
export async function writeWhole(path: string, text: string, held: Hold): Promise<void> {
  const temporary = await held.temporaryPath();
  try {
    await writeNew(temporary, text);
    await publish(temporary, path);
  } catch (error) {
    await unlink(temporary).catch(() => undefined);
    throw error;
  }
}

/** Writes a new file, which is on the disk afterwards. Its name is so only when its folder is synced too. */
export async function writeNew(path: string, text: string): Promise<void> {
  const file = await open(path, 'wx', 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}

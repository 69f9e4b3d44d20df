import { open, unlink } from 'node:fs/promises';
import type { Hold } from './lease.js';
import { publish } from './store-root.js';

/** Writes a file of the store as a whole: with one rename the old text becomes the new one, also after a crash. */
export async function writeWhole(path: string, text: string, held: Hold): Promise<void> {
  const temporary = await held.temporaryPath();
  try {
    const file = await open(temporary, 'wx', 0o600);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    await publish(temporary, path);
  } catch (error) {
    await unlink(temporary).catch(() => undefined);
    throw error;
  }
}

import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { ImageError } from '../../errors.js';
import { wordsOf } from '../../native/system-errors.js';
import { MAX_JSON } from './image-documents.js';

/** Opens a file that may be anything by now. @throws ImageError */
export async function openFile(path: string, what: string): Promise<FileHandle> {
  try {
    // without O_NONBLOCK the open of a FIFO would wait
    return await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (cause) {
    throw new ImageError(`${what} can't be read: ${wordsOf(cause)}`, { cause });
  }
}

/** Reads a whole document, but never more of it than {@link MAX_JSON}, whatever the file is or becomes. @throws ImageError */
export async function readSmall(path: string, what: string): Promise<Uint8Array> {
  const handle = await openFile(path, what);
  try {
    const stats = await handle.stat();
    if (!stats.isFile()) throw new ImageError(`${what} is not a file`);
    if (stats.size > MAX_JSON) throw new ImageError(`${what} is larger than ${MAX_JSON} bytes`);
    return await readUpTo(handle, stats.size);
  } finally {
    await handle.close();
  }
}

async function readUpTo(handle: FileHandle, size: number): Promise<Uint8Array> {
  const buffer = new Uint8Array(size);
  let done = 0;
  while (done < size) {
    const { bytesRead } = await handle.read(buffer, done, size - done, done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return buffer.subarray(0, done);
}

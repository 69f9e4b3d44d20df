import { type FileHandle, open, unlink } from 'node:fs/promises';
import { Writable } from 'node:stream';
import { hold } from '../../store/lease.js';

/** Writes what comes into a file. */
export class PlainFile extends Writable {
  readonly #file: FileHandle;

  constructor(file: FileHandle) {
    super();
    this.#file = file;
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#file.writeFile(chunk).then(() => done(), done);
  }
}

/** A file in the store that is gone as soon as it is closed. */
export async function temporaryFile(): Promise<FileHandle> {
  const held = await hold([]);
  try {
    const path = await held.temporaryPath();
    const file = await open(path, 'wx+', 0o600);
    try {
      await unlink(path);
      return file;
    } catch (error) {
      await file.close();
      throw error;
    }
  } finally {
    held.release();
  }
}

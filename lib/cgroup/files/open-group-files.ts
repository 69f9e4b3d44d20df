import { closeSync, openSync, readSync } from 'node:fs';
import { unlessAbsent } from './group-files.js';

/** Files of a group that are read again and again stay open: to open one takes the kernel several times as long as to read it. */
export class OpenGroupFiles {
  readonly #open = new Map<string, number>();
  #isClosed = false;

  /**
   * `null` for a file that is not there, and after the group is gone.
   *
   * @param path of a file that is no longer than a page
   */
  read(path: string): string | null {
    return unlessAbsent(path, () => {
      const known = this.#open.get(path);
      const fd = known ?? openSync(path, 'r');
      try {
        if (known === undefined && !this.#isClosed) this.#open.set(path, fd);
        return page.toString('latin1', 0, readSync(fd, page, 0, page.length, 0));
      } finally {
        if (!this.#open.has(path)) closeSync(fd);
      }
    });
  }

  /** Nothing stays open from now on. Idempotent. */
  close(): void {
    this.#isClosed = true;
    for (const fd of this.#open.values()) closeSync(fd);
    this.#open.clear();
  }
}

const page = Buffer.alloc(4096);

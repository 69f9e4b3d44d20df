import type { FileHandle } from 'node:fs/promises';

/** An open file that several need, each until it is released by all of them. */
export class HeldFile {
  readonly handle: FileHandle;
  #holders = 1;

  /** @param handle for the first holder, and closed by the last one's release */
  constructor(handle: FileHandle) {
    this.handle = handle;
  }

  hold(): void {
    this.#holders++;
  }

  async release(): Promise<void> {
    if (--this.#holders === 0) await this.handle.close();
  }
}

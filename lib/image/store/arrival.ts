import { type FileHandle, open } from 'node:fs/promises';

/** A blob on its way into the store, for one reader who takes its bytes while they come. */
export class Arrival {
  #file: FileHandle | null = null;
  #isTaken = false;
  #bytes = 0;
  #isOver = false;
  #isReplaced = false;
  #waiting: (() => void)[] = [];

  /** To be called by who brings the blob, with the file into which its bytes are written. */
  async begin(file: FileHandle): Promise<void> {
    // opened anew, by the descriptor: the lock is that of the open file, and the name another's when the blob is given up
    const own = await open(`/proc/self/fd/${file.fd}`, 'r');
    await this.spoil();
    this.#file = own;
  }

  /** To be called when the bytes so far were wrong: others come in their place, in another file or by another process. Idempotent. */
  async spoil(): Promise<void> {
    const file = this.#file;
    this.#file = null;
    this.#bytes = 0;
    this.#isReplaced ||= this.#isTaken;
    this.#wake();
    await file?.close();
  }

  /** To be called when the file has so many bytes. */
  grown(bytes: number): void {
    this.#bytes = bytes;
    this.#wake();
  }

  /** To be called when no more bytes come: the blob is in the store, or can't be had. */
  async end(): Promise<void> {
    this.#isOver = true;
    // whoever takes the file meanwhile must not get one that is being closed
    const file = this.#file;
    this.#file = null;
    this.#wake();
    await file?.close();
  }

  /** Whether the bytes of the file that was taken were wrong, and others came in their place. */
  get isReplaced(): boolean {
    return this.#isReplaced;
  }

  /** Whether no more bytes come. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /**
   * Waits for the first bytes.
   *
   * @returns the file, which the caller closes; `null` when no more bytes come: the blob may be in the store
   */
  async take(): Promise<FileHandle | null> {
    await this.#until(() => this.#bytes > 0);
    const file = this.#file;
    this.#file = null;
    this.#isTaken = file !== null;
    return file;
  }

  /**
   * Waits until there are `enough` bytes, or as many as will be.
   *
   * @returns how many there are
   * @throws Error when those that were read before were wrong
   */
  async reach(enough: number): Promise<number> {
    await this.#until(() => this.#isReplaced || this.#bytes >= enough);
    if (this.#isReplaced) throw new Error('the bytes so far were wrong');
    return this.#bytes;
  }

  async #until(isSo: () => boolean): Promise<void> {
    while (!this.#isOver && !isSo()) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}

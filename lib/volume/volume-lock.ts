import { closeSync, fstatSync, openSync, statSync } from 'node:fs';
import { hasCode } from '../errors.js';
import { delay } from '../native/clock.js';
import { tryLock } from '../native/load-addon.js';
import { attempt } from '../native/system-errors.js';
import { lockFile } from '../store/store-lock.js';

/** ms between looks whether somebody fills or removes the volume. */
const PAUSE = 10;

/**
 * A lock on a volume (fcntl(2), open file description locks): shared for who uses the volume, exclusive for who fills or removes it. The
 * kernel gives the lock back when its process ends, however that dies.
 */
export class VolumeLock {
  readonly #path: string;
  #fd: number | null;

  private constructor(path: string, fd: number) {
    this.#path = path;
    this.#fd = fd;
  }

  /** Opens a volume's lock, without taking it; `null` when there is no such volume. */
  static open(path: string): VolumeLock | null {
    return attempt(`open ${path}`, () => {
      try {
        return new VolumeLock(path, openSync(path, 'r+'));
      } catch (error) {
        if (hasCode(error, 'ENOENT')) return null;
        throw error;
      }
    });
  }

  /** Whether the volume is still the one whose lock this is: it may have been removed before the lock was taken. */
  get isCurrent(): boolean {
    return attempt(`look at the lock ${this.#path}`, () => {
      const there = statSync(this.#path, { throwIfNoEntry: false });
      const own = fstatSync(this.#descriptor);
      return there?.ino === own.ino && there.dev === own.dev;
    });
  }

  /** The descriptor that has the lock. Whoever has a copy of the descriptor keeps the lock. */
  get fd(): number {
    return this.#descriptor;
  }

  /** Takes the lock, or turns it into the other kind; false when others are in the way. */
  try(kind: 'shared' | 'exclusive'): boolean {
    return tryLock(this.#descriptor, kind);
  }

  /** Waits until nobody fills or removes the volume. @param signal its abort ends the waiting, with the signal's reason */
  async share(signal?: AbortSignal): Promise<void> {
    await lockFile({ fd: this.#descriptor }, 'shared', signal);
  }

  /**
   * Takes the lock exclusively when nobody uses the volume, and else shared, as soon as nobody fills or removes it.
   *
   * @returns whether it is exclusive
   */
  async enter(signal?: AbortSignal): Promise<boolean> {
    for (;;) {
      if (this.try('exclusive')) return true;
      if (this.try('shared')) return false;
      await delay(PAUSE, undefined, signal ? { signal } : {}).catch((error: unknown) => {
        signal?.throwIfAborted();
        throw error;
      });
    }
  }

  /** Idempotent. */
  release(): void {
    if (this.#fd === null) return;
    closeSync(this.#fd);
    this.#fd = null;
  }

  get #descriptor(): number {
    if (this.#fd === null) throw new Error('the lock was released');
    return this.#fd;
  }
}

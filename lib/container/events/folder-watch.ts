import { type FSWatcher, mkdirSync, rmdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { watchPath } from '../../cgroup/files/group-files.js';
import { NacelleError } from '../../errors.js';
import { requireOwn } from '../../native/own-folder.js';
import { makeRuntimeBase, runtimeDir } from '../../native/runtime-dir.js';
import { attempt } from '../../native/system-errors.js';

/** How often the folder may go while it is made: the last shim that ends removes it. */
const TRIES = 1000;

/** Watches the folder that has one folder for each detached container of this user, whether there is one or not. */
export class FolderWatch {
  readonly #folder = join(runtimeDir(), 'containers');
  readonly #changed: () => void;
  readonly #failed: (error: unknown) => void;
  #watcher: FSWatcher | null = null;
  #keepsAlive = false;
  #isClosed = false;

  /**
   * @param changed called after every change, so that a look then shows all that was made before
   * @throws NacelleError `ERR_NOT_OWN`; SyscallError, ENOSPC when this user's watches are used up
   */
  constructor(changed: () => void, failed: (error: unknown) => void) {
    this.#changed = changed;
    this.#failed = failed;
    this.#arm();
  }

  /** Whether the watch keeps Node alive. */
  set keepsAlive(keeps: boolean) {
    this.#keepsAlive = keeps;
    if (keeps) this.#watcher?.ref();
    else this.#watcher?.unref();
  }

  /** Leaves no empty folder behind, as the last shim does. */
  close(): void {
    this.#isClosed = true;
    this.#watcher?.close();
    for (const path of [this.#folder, runtimeDir()]) {
      try {
        rmdirSync(path);
      } catch {
        return; // others use the folder, or have removed it
      }
    }
  }

  #arm(): void {
    this.#watcher?.close();
    for (let tries = 0; tries < TRIES; tries++) {
      attempt(`make the folder ${this.#folder}`, () => {
        makeRuntimeBase();
        mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
        requireOwn(runtimeDir());
      });
      const watcher = watchPath(this.#folder, { persistent: this.#keepsAlive }, (name) => this.#told(name), this.#failed);
      if (watcher === undefined) continue;
      this.#watcher = watcher;
      return;
    }
    throw new NacelleError(`watch ${this.#folder}: it is removed again and again`, { code: 'ERR_INTERNAL' });
  }

  #told(name: string | null): void {
    if (this.#isClosed) return;
    try {
      // its own name: the folder itself was removed, with the last container in it
      if (name === basename(this.#folder)) this.#arm();
      this.#changed();
    } catch (error) {
      this.#failed(error);
    }
  }
}

import { takeChanges, watchFolder } from '../../host/kernel-changes.js';

/** Something of that name has changed in a watched folder, or the folder itself (''). A folder of -1: anything, such as a mount. */
export interface HostChange {
  readonly folder: number;
  readonly name: string;
}

/** Watches are a user's, and others want some too: inotify(7), max_user_watches. */
const MOST_FOLDERS = 1000;

/** Changes of folders and mounts, as this thread hears of them when it asks. */
export class HostChanges {
  readonly #folders = new Set<number>();

  /** All since the last question: the kernel notes a change before the call returns that makes it. */
  since(): HostChange[] {
    return takeChanges().map(([folder, name]) => ({ folder, name }));
  }

  /** Watches a folder. Its number, the same for the same folder; < 0 where that can't be done. */
  readonly add = (folder: string): number => {
    if (this.#folders.size === MOST_FOLDERS) return -1;
    const number = watchFolder(folder);
    if (number >= 0) this.#folders.add(number);
    return number;
  };
}

import type { ChangeWatch } from '../native/binding.js';
import { changeWatch } from '../native/load-addon.js';

/** A folder's number and the name in it that has changed, '' for the folder itself; < 0: anything, such as a mount. */
export type KernelChange = readonly [folder: number, name: string];

/** One for the thread: a user has 128 instances of inotify, and to close one takes the kernel some 15 ms, at the end of a process too. */
let watch: ChangeWatch | undefined;
let mounts = 0;
let untold: KernelChange[] = [];
/** More than these are told as one of anything. */
const MOST_UNTOLD = 4096;

function hear(): ChangeWatch {
  watch ??= changeWatch();
  const heard = watch.changes();
  if (heard.length === 0) return watch;
  if (heard.some(([folder]) => folder < 0)) mounts++;
  untold = untold.length + heard.length > MOST_UNTOLD ? [[-1, '']] : [...untold, ...heard];
  return watch;
}

/** Watches a folder. Its number, the same for the same folder; < 0 where that can't be done. */
export function watchFolder(folder: string): number {
  return hear().add(folder);
}

/** All changes since the last question: the kernel notes a change before the call returns that makes it. */
export function takeChanges(): readonly KernelChange[] {
  hear();
  const taken = untold;
  untold = [];
  return taken;
}

/** How often it was heard that mounts of this process's mount namespace have changed, or that more has changed than the kernel notes. */
export function mountChanges(): number {
  hear();
  return mounts;
}

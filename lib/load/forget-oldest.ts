import { lstatSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { now } from '../native/clock.js';
import { UNFINISHED } from './code-cache.js';

const MOST_KEPT = 4;
/** A process writes its code in some ms: what is older, in ms, is of one that was killed. */
const LONGEST_WRITTEN = 60_000;

/**
 * Removes those of the files with this beginning that were kept first, where there are more than {@link MOST_KEPT}, and what killed processes have left half
 * written. Other processes do so too at the same time. As it is only for tidiness, no failure is told.
 */
export function forgetOldest(folder: string, beginning: string): void {
  try {
    const found = readdirSync(folder)
      .filter((name) => name.startsWith(beginning))
      .map((name) => join(folder, name))
      .flatMap((path) => {
        const status = lstatSync(path, { throwIfNoEntry: false });
        return status === undefined ? [] : [{ path, time: status.mtimeMs }];
      })
      .sort((a, b) => b.time - a.time);
    const left = found.filter(({ path, time }) => UNFINISHED.test(path) && now() - time > LONGEST_WRITTEN);
    const oldest = found.filter(({ path }) => !UNFINISHED.test(path)).slice(MOST_KEPT);
    for (const { path } of [...left, ...oldest]) rmSync(path, { force: true });
  } catch {
    return;
  }
}

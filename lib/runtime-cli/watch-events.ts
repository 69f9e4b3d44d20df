import { watchGroup } from '../cgroup/events/group-watch.js';
import { toError } from '../errors.js';
import { clearTimeout, setTimeout } from '../native/clock.js';
import { countedRecord, statsOfRecord } from './container-stats.js';
import type { StateFolder } from './state/container-state.js';
import { pathsOf } from './update-container.js';

export interface WatchOptions {
  /** ms from one look at what is used to the next. */
  readonly intervalMs: number;
  print(line: string): void;
  /** Hears of a look that failed, after which others follow. */
  tell(text: string): void;
}

/**
 * Tells what a container uses, every interval, and each time that the kernel finds no memory for it, in runc's words, until its groups are gone.
 *
 * @throws as {@link countedRecord}
 */
export async function watchEvents(folder: StateFolder, { intervalMs, print, tell }: WatchOptions): Promise<void> {
  const record = countedRecord(folder);
  const look = (): void => {
    try {
      print(statsOfRecord(record));
    } catch (error) {
      tell(toError(error).message);
    }
    timer = setTimeout(look, intervalMs);
  };
  let timer = setTimeout(look, intervalMs);
  // v1 tells of memory that ran out, whether or not a process is killed for that; v2 of processes that were killed
  const isOld = record.groups.some(({ version, controllers }) => version === 1 && controllers.includes('memory'));
  try {
    for await (const { type } of watchGroup(Object.fromEntries(pathsOf(record.groups)))) {
      if (type === (isOld ? 'oom' : 'oom-kill')) print(JSON.stringify({ type: 'oom', id: record.id }));
    }
  } finally {
    clearTimeout(timer);
  }
}

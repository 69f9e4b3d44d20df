import { statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { clearTimeout, now, setTimeout } from '../../native/clock.js';
import { readGroupFile, watchPath } from '../files/group-files.js';
import type { ReadFile } from '../files/interface-file-formats.js';
import { type CgroupEvent, type EventCounts, eventsBetween, readEventCounts } from './event-counts.js';
import { EventQueue } from './event-queue.js';
import { V1MemoryWatch } from './v1-memory-watch.js';

type Paths = Readonly<Record<string, string>>;

/** v1 notifies before it kills, and never after: so the files are read again soon, each time after twice as many ms, up to this number. */
const LAST_LOOK_MS = 2048;

/**
 * Gives the events of a group from now on, until it is removed or the signal is aborted. Nothing is polled: the kernel tells of changes of
 * its files by inotify(7), v1's of memory by eventfd(2).
 */
export function watchGroup(paths: Paths, signal?: AbortSignal): AsyncIterableIterator<CgroupEvent> {
  return new GroupWatch(paths, signal).queue;
}

class GroupWatch {
  readonly queue = new EventQueue(() => this.#release());
  readonly #paths: Paths;
  readonly #signal: AbortSignal | undefined;
  readonly #closers = new Set<() => void>();
  readonly #told = { populated: 0, empty: 0 };
  #counts: EventCounts;
  #v1: V1MemoryWatch | null = null;
  #afterOom: NodeJS.Timeout | undefined;

  constructor(paths: Paths, signal: AbortSignal | undefined) {
    this.#paths = paths;
    this.#signal = signal;
    this.#counts = this.#read();
    if (signal?.aborted) this.#abort();
    else this.#start();
  }

  #start(): void {
    this.#signal?.addEventListener('abort', this.#abort);
    try {
      this.#watchRemoval();
      this.#watchFile('unified', 'cgroup.events');
      this.#watchFile('memory', 'memory.events');
      this.#watchFile('pids', 'pids.events');
      this.#watchV1Memory();
      // an event may have come before its file was watched
      this.#look();
    } catch (error) {
      this.queue.end({ error });
    }
  }

  readonly #abort = (): void => this.queue.end({ error: this.#signal?.reason });

  /** The kernel sends no event for a group that is removed, but one for the parent of its folder, which is watched here. */
  #watchRemoval(): void {
    const folder = this.#paths.unified ?? Object.values(this.#paths)[0] ?? '';
    const inode = inodeOf(folder);
    const look = (): void => {
      if (inode === null || inodeOf(folder) !== inode) this.queue.end();
    };
    this.#watch(dirname(folder), (name) => {
      if (name === basename(folder)) look();
    });
    look();
  }

  #watchFile(controller: string, file: string): void {
    const folder = this.#paths[controller];
    if (folder === undefined || readGroupFile(join(folder, file)) === null) return;
    this.#watch(join(folder, file), () => this.#look());
  }

  #watch(path: string, changed: (name: string | null) => void): void {
    const watcher = watchPath(path, { persistent: false }, changed, (error) => this.queue.end({ error }));
    if (watcher) this.#closers.add(() => watcher.close());
  }

  #watchV1Memory(): void {
    if (this.#paths.memory === undefined) return;
    this.#v1 = V1MemoryWatch.of(this.#paths.memory, {
      limit: () => this.#look(),
      oom: () => {
        const kills = this.#counts['oom-kill'];
        this.#look();
        this.#lookForKill(kills, 1);
      },
      error: (error) => this.queue.end({ error }),
    });
  }

  #lookForKill(before: number | null, delayMs: number): void {
    clearTimeout(this.#afterOom);
    if (this.queue.ended || this.#counts['oom-kill'] !== before || delayMs > LAST_LOOK_MS) return;
    const again = (): void => {
      this.#look();
      this.#lookForKill(before, 2 * delayMs);
    };
    this.#afterOom = setTimeout(again, delayMs).unref();
  }

  #look(): void {
    if (this.queue.ended) return;
    try {
      const counts = this.#read();
      for (const { type, count } of eventsBetween(this.#counts, counts)) {
        const told = type === 'populated' || type === 'empty' ? ++this.#told[type] : count;
        this.queue.push({ type, count: told, at: new Date(now()) });
      }
      this.#counts = counts;
    } catch (error) {
      this.queue.end({ error });
    }
  }

  #read(): EventCounts {
    return readEventCounts(this.#file, this.#v1 ?? { ooms: 0, atLimit: 0 });
  }

  readonly #file: ReadFile = (controller, file) => {
    const folder = this.#paths[controller];
    return folder === undefined ? null : readGroupFile(join(folder, file));
  };

  #release(): void {
    this.#signal?.removeEventListener('abort', this.#abort);
    clearTimeout(this.#afterOom);
    this.#v1?.close();
    for (const close of this.#closers) close();
    this.#closers.clear();
  }
}

function inodeOf(path: string): number | null {
  return statSync(path, { throwIfNoEntry: false })?.ino ?? null;
}

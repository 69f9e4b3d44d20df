import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import type { EventCounter } from '../../native/binding.js';
import { eventCounter } from '../../native/load-addon.js';
import { ignoreGone, readGroupFile, watchPath, writeGroupFile } from '../files/group-files.js';
import { parseNumber } from '../files/interface-file-formats.js';
import type { V1Memory } from './event-counts.js';

/** The kernel compares use with marks only once in 128 pages on each CPU: so the mark is this many bytes below the limit. */
const SLACK = 1024 ** 2;

/**
 * What v1 tells of a group's memory: by one eventfd that it ran out, by another that its use has crossed a mark, which is just below
 * the limit (Documentation/admin-guide/cgroup-v1/memory.rst). memory.failcnt is no help: it stays 0 where memory.memsw has the same limit.
 */
export class V1MemoryWatch implements V1Memory {
  readonly #folder: string;
  readonly #onLimit: () => void;
  readonly #closers: (() => void)[] = [];
  #mark: EventCounter | null = null;
  #markAt = Number.POSITIVE_INFINITY;
  ooms = 0;
  atLimit = 0;

  /** `null` where memory is not v1's. */
  static of(folder: string, on: { oom(): void; limit(): void; error(error: Error): void }): V1MemoryWatch | null {
    return readGroupFile(join(folder, 'memory.oom_control')) === null ? null : new V1MemoryWatch(folder, on);
  }

  private constructor(folder: string, on: { oom(): void; limit(): void; error(error: Error): void }) {
    this.#folder = folder;
    this.#onLimit = on.limit;
    const oom = eventCounter((count) => {
      if (this.#isGone()) return;
      this.ooms += count;
      // the use may have passed the mark between two looks of the kernel's
      if (this.atLimit === 0 && this.#peak() >= this.#markAt) this.atLimit = 1;
      on.oom();
    });
    this.#closers.push(() => oom.close());
    this.#register('memory.oom_control', oom);
    // the mark follows when somebody sets another limit
    const watcher = watchPath(join(folder, 'memory.limit_in_bytes'), { persistent: false }, () => this.#markLimit(), on.error);
    this.#closers.push(() => watcher?.close());
    this.#markLimit();
  }

  close(): void {
    this.#mark?.close();
    for (const close of this.#closers) close();
  }

  #markLimit(): void {
    this.#mark?.close();
    const [limit, use] = ['memory.limit_in_bytes', 'memory.usage_in_bytes'].map((file) => parseNumber(this.#text(file) ?? ''));
    if (limit == null || use == null) return;
    const mark = Math.max(limit - SLACK, limit / 2);
    this.#markAt = mark;
    let isAbove = use >= mark;
    const counter = eventCounter((crossings) => {
      if (this.#isGone()) return;
      // the use crosses the mark upwards and downwards in turns
      const ups = isAbove ? Math.floor(crossings / 2) : Math.ceil(crossings / 2);
      if (crossings % 2 === 1) isAbove = !isAbove;
      this.atLimit += ups;
      if (ups > 0) this.#onLimit();
    });
    this.#mark = counter;
    this.#register('memory.usage_in_bytes', counter, mark);
  }

  #peak(): number {
    return parseNumber(this.#text('memory.max_usage_in_bytes') ?? '') ?? 0;
  }

  #register(file: string, { fd }: EventCounter, ...mark: number[]): void {
    const what = `listen to ${file} of ${this.#folder}`;
    ignoreGone(() => {
      const about = openSync(join(this.#folder, file), 'r');
      try {
        writeGroupFile(what, join(this.#folder, 'cgroup.event_control'), [fd, about, ...mark].join(' '));
      } finally {
        closeSync(about);
      }
    });
  }

  /** The kernel sets every eventfd once more when the group is removed. */
  #isGone(): boolean {
    return this.#text('memory.oom_control') === null;
  }

  #text(file: string): string | null {
    return readGroupFile(join(this.#folder, file));
  }
}

import { type FSWatcher, watch } from 'node:fs';
import { type FileHandle, open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { hasCode } from '../../errors.js';
import { attempting } from '../../native/system-errors.js';
import { parseRecords, type RawRecord } from './log-records.js';

/** The end of what was written at some moment. */
export interface LogPosition {
  readonly segment: number;
  readonly bytes: number;
}

export interface ReadSegments {
  /** Where to begin; default the oldest segment that is kept. */
  readonly from?: LogPosition;
  /** Where to end; default the end of what is there, or with `until` the end of all. */
  readonly to?: LogPosition;
  /** Waits for more at the end, until this promise has settled and all that was written by then is read. */
  readonly until?: Promise<unknown>;
}

const BLOCK = 256 * 1024;

/** The names of segments are their numbers. */
async function segmentsIn(folder: string): Promise<number[]> {
  const names = await attempting(`list the logs ${folder}`, () =>
    readdir(folder).catch((error: unknown) => {
      // the container was removed
      if (hasCode(error, 'ENOENT')) return [];
      throw error;
    }),
  );
  return names
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .sort((a, b) => a - b);
}

function openSegment(folder: string, number: number): Promise<FileHandle | null> {
  return open(join(folder, String(number).padStart(8, '0')), 'r').catch((error: unknown) => {
    // it was the oldest, and a new one has come
    if (hasCode(error, 'ENOENT')) return null;
    throw error;
  });
}

/** Where the log of a container ends now. */
export async function logEnd(folder: string): Promise<LogPosition> {
  const last = (await segmentsIn(folder)).at(-1);
  const file = last === undefined ? null : await openSegment(folder, last);
  if (last === undefined || file === null) return { segment: 0, bytes: 0 };
  try {
    return { segment: last, bytes: (await file.stat()).size };
  } finally {
    await file.close();
  }
}

/** The records of a container's log, from the oldest that is kept. Readers don't hold up the container, or each other. */
export async function* readSegments(
  folder: string,
  { from = { segment: 0, bytes: 0 }, to, until }: ReadSegments = {},
): AsyncGenerator<RawRecord, void, undefined> {
  const changes = until === undefined ? null : new Changes(folder, until);
  let [number, at] = [from.segment, from.bytes];
  let file: FileHandle | null = null;
  try {
    for (;;) {
      const isLast = changes === null || changes.areOver;
      // a segment gets no more once there is a next one
      const next = (await segmentsIn(folder)).find((other) => other > number);
      file ??= number === 0 ? null : await openSegment(folder, number);
      if (file !== null) {
        for (;;) {
          const block = Buffer.allocUnsafe(BLOCK);
          const { bytesRead } = await file.read(block, 0, BLOCK, at);
          const room = number === to?.segment ? Math.max(to.bytes - at, 0) : bytesRead;
          const { records, used, damaged } = parseRecords(block.subarray(0, Math.min(bytesRead, room)));
          yield* records;
          at += used;
          if (used === 0 || damaged) break;
        }
      }
      if (next !== undefined && !(to !== undefined && next > to.segment)) {
        await file?.close();
        file = null;
        [number, at] = [next, 0];
      } else if (isLast || to !== undefined) {
        return;
      } else {
        await changes?.next();
      }
    }
  } finally {
    changes?.close();
    await file?.close();
  }
}

/** Waits for changes in a folder, until something is over. */
class Changes {
  readonly #watcher: FSWatcher | null;
  #isFresh = true;
  #wake: () => void = () => undefined;
  areOver = false;

  constructor(folder: string, until: Promise<unknown>) {
    this.#watcher = watchFolder(folder, () => this.#tell());
    // whoever else waits for it gets its failure
    until
      .catch(() => undefined)
      .then(() => {
        this.areOver = true;
        this.#tell();
      });
  }

  #tell(): void {
    this.#isFresh = true;
    this.#wake();
  }

  /** Resolves when something has changed since the last call. */
  async next(): Promise<void> {
    if (!this.#isFresh) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    this.#isFresh = false;
  }

  close(): void {
    this.#watcher?.close();
  }
}

function watchFolder(folder: string, onChange: () => void): FSWatcher | null {
  try {
    // whoever waits for output keeps Node alive by the container, not by this
    const watcher = watch(folder, { persistent: false }, onChange);
    watcher.on('error', onChange);
    return watcher;
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return null;
    throw error;
  }
}

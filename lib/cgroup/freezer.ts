import { dirname, join } from 'node:path';
import { isError, NacelleError, UnsupportedError } from '../errors.js';
import { delay } from '../native/clock.js';
import { readGroupFile, untilEvent, writeGroupFile } from './files/group-files.js';

type Paths = Readonly<Record<string, string>>;

/** A process in uninterruptible sleep (a dead network file system) can't be stopped: that must not hang the caller for ever. */
const GUARD_MS = 10_000;

/** One tree's way to stop a group, v2's or v1's. */
interface Freezer {
  readonly file: string;
  readonly words: { readonly freeze: string; readonly thaw: string };
  /** Waits until all of the group stands still, or goes on; rejects when the signal is aborted. */
  settled(frozen: boolean, signal: AbortSignal): Promise<void>;
  /** Whether a group above is frozen: then this one is too. */
  frozenAbove(): boolean;
}

/**
 * Stops all processes of a group and below it.
 *
 * @throws UnsupportedError; NacelleError `EBUSY` when one can't be stopped: what was stopped goes on
 */
export async function freeze(what: string, paths: Paths): Promise<void> {
  const freezer = freezerOf(paths);
  writeGroupFile(`freeze ${what}`, freezer.file, freezer.words.freeze);
  try {
    await freezer.settled(true, AbortSignal.timeout(GUARD_MS));
  } catch (cause) {
    lift(what, paths);
    const message = `freeze ${what}: EBUSY (after ${GUARD_MS / 1000} s not all of its processes stand still)`;
    throw isTimeout(cause) ? new NacelleError(message, { code: 'EBUSY', cause }) : cause;
  }
}

/** @throws UnsupportedError; NacelleError `EBUSY` when a group above is frozen */
export async function thaw(what: string, paths: Paths): Promise<void> {
  const freezer = freezerOf(paths);
  writeGroupFile(`thaw ${what}`, freezer.file, freezer.words.thaw);
  if (freezer.frozenAbove()) throw new NacelleError(`thaw ${what}: EBUSY (a group above it is frozen)`, { code: 'EBUSY' });
  try {
    await freezer.settled(false, AbortSignal.timeout(GUARD_MS));
  } catch (cause) {
    const message = `thaw ${what}: EBUSY (it is frozen again, or a group above it is)`;
    throw isTimeout(cause) ? new NacelleError(message, { code: 'EBUSY', cause }) : cause;
  }
}

/** Whether somebody has frozen the group: it is so from the order on, not only when all of it stands still. */
export function isFrozen(paths: Paths): boolean {
  const file = freezerFile(paths);
  if (file === null) return false;
  // v1 says FREEZING until all of the group stands still
  return /^(?:1|FREEZING|FROZEN)$/.test(readGroupFile(file)?.trim() ?? '');
}

/** The file that begins with '1' or 'F' while a group stands still; `null` where there is no freezer. */
export function freezerFile(paths: Paths): string | null {
  return paths.unified === undefined && paths.freezer === undefined ? null : freezerOf(paths).file;
}

/** What lets a group go on: the file to write to, and the word. `null` where there is no freezer. */
export function thawing(paths: Paths): { readonly file: string; readonly word: string } | null {
  if (paths.unified === undefined && paths.freezer === undefined) return null;
  const { file, words } = freezerOf(paths);
  return { file, word: words.thaw };
}

/** Thaws without waiting; does nothing where there is no freezer, or the group is gone. */
export function lift(what: string, paths: Paths): void {
  if (paths.unified === undefined && paths.freezer === undefined) return;
  const freezer = freezerOf(paths);
  if (readGroupFile(freezer.file) !== null) writeGroupFile(`thaw ${what}`, freezer.file, freezer.words.thaw);
}

/** Thousands of processes take long to end. */
const KILL_GUARD_MS = 60_000;

/** Waits until nobody is in a group that was killed, where the kernel tells. @throws NacelleError `EBUSY` */
export async function untilEmpty(what: string, { unified }: Paths, guardMs = KILL_GUARD_MS): Promise<void> {
  if (unified === undefined) return;
  try {
    await untilEvent(join(unified, 'cgroup.events'), 'populated', 0, AbortSignal.timeout(guardMs));
  } catch (cause) {
    const message = `kill ${what}: EBUSY (after ${guardMs / 1000} s not all of its processes have ended)`;
    throw isTimeout(cause) ? new NacelleError(message, { code: 'EBUSY', cause }) : cause;
  }
}

function freezerOf({ unified, freezer }: Paths): Freezer {
  if (unified !== undefined) return v2(unified);
  if (freezer !== undefined) return v1(freezer);
  throw new UnsupportedError('freeze', 'the group is neither on the unified cgroup tree nor in the v1 freezer', 'Mount cgroup2.');
}

function v2(folder: string): Freezer {
  const file = join(folder, 'cgroup.freeze');
  return {
    file,
    words: { freeze: '1', thaw: '0' },
    settled: (frozen, signal) => untilEvent(join(folder, 'cgroup.events'), 'frozen', frozen ? 1 : 0, signal),
    frozenAbove() {
      // the top group has no such file
      for (let above = dirname(folder); ; above = dirname(above)) {
        const text = readGroupFile(join(above, 'cgroup.freeze'));
        if (text === null || text.trim() === '1') return text !== null;
      }
    },
  };
}

/**
 * v1 sends no event when FREEZING has become FROZEN, and finds that out only when the state is read: so we read it again. We also write the
 * state again, as runc does: a process that was forked or moved in meanwhile may have been missed.
 */
function v1(folder: string): Freezer {
  const file = join(folder, 'freezer.state');
  const words = { freeze: 'FROZEN', thaw: 'THAWED' };
  return {
    file,
    words,
    async settled(frozen, signal) {
      const wanted = frozen ? words.freeze : words.thaw;
      for (let pauseMs = 1; ; pauseMs = Math.min(2 * pauseMs, 100)) {
        const state = readGroupFile(file);
        if (state === null || state.trim() === wanted) return;
        await delay(pauseMs, undefined, { signal });
        writeGroupFile(`write ${wanted} to ${file}`, file, wanted);
      }
    },
    frozenAbove: () => readGroupFile(join(folder, 'freezer.parent_freezing'))?.trim() === '1',
  };
}

function isTimeout(error: unknown): boolean {
  return isError(error) && (error.name === 'TimeoutError' || error.name === 'AbortError');
}

import { join } from 'node:path';
import { NacelleError } from '../errors.js';
import { monotonicMs, nextTurn } from '../native/clock.js';
import { processesBelow, writeGroupFile } from './files/group-files.js';
import { foldersAbove, homeOf, pathOf } from './group-plan.js';
import { isThere } from './group-probe.js';

/** After this time we give up on processes that fork faster than they are moved. */
const GUARD_MS = 10_000;

/**
 * Moves all processes of a group, and of those below it, into a folder of another hierarchy, until none is outside any more: a process that
 * was moved has its children there.
 *
 * @throws NacelleError `EBUSY` when there are always more, `EPERM` for a process that can't be seen from here; SyscallError
 */
export async function moveAll(what: string, paths: Readonly<Record<string, string>>, folder: string): Promise<void> {
  const home = homeOf(paths);
  if (home === undefined) return;
  const refused = (code: string, why: string): NacelleError => new NacelleError(`move ${what} into ${folder}: ${code} (${why})`, { code });
  const guard = monotonicMs() + GUARD_MS;
  for (;;) {
    const there = new Set(processesBelow(folder));
    const inside = processesBelow(home);
    const outside = inside.filter((pid) => !there.has(pid));
    // the kernel lists 0 for a process of another pid namespace, but takes a 0 that is written for the writer
    if (inside.includes(0)) throw refused('EPERM', 'one of its processes is in another pid namespace');
    if (outside.length === 0) return;
    for (const pid of outside) {
      if (monotonicMs() > guard) throw refused('EBUSY', `after ${GUARD_MS / 1000} s its processes still multiply. freeze() it before`);
      unless(['ESRCH'], () => moveTo(`move process ${pid} into ${folder}`, pid, folder));
      await nextTurn();
    }
  }
}

/** @throws SyscallError */
export function moveTo(what: string, pid: number, folder: string): void {
  writeGroupFile(what, join(folder, 'cgroup.procs'), String(pid));
}

/**
 * Moves a process, below each of these bases, to the group of this name or the nearest above it that is there: as the step
 * `join_above` does.
 *
 * @throws SyscallError
 */
export function moveAbove(what: string, pid: number, bases: readonly string[], name: string): void {
  for (const base of bases) {
    const own = pathOf(base, name);
    const folders = [own, ...foldersAbove(own, name)];
    // a group that goes meanwhile holds no limits, nor does a cpuset that was made just now; an error costs as much as moving a process. What can't be
    // looked at is no group that is missing: above it the process would be without its limits
    folders.find((folder) => isThere(folder) && unless(['ENOENT', 'ENODEV', 'ENOSPC'], () => moveTo(what, pid, folder)));
  }
}

/** Whether something was done; `false` when it failed with one of these errors. */
function unless(codes: readonly string[], act: () => void): boolean {
  try {
    act();
    return true;
  } catch (error) {
    if (error instanceof NacelleError && codes.includes(error.code)) return false;
    throw error;
  }
}

import { join } from 'node:path';
import { NacelleError } from '../errors.js';
import { groupsIn, readGroupFile, writeGroupFile } from './files.js';

/**
 * Moves all processes of a group, and of those below it, into a folder of another hierarchy, until a look finds none that
 * is outside: who is there has its children there.
 *
 * @param paths the group's folders; the unified one has them all where there is one
 */
export function moveAll(paths: Readonly<Record<string, string>>, folder: string): void {
  const home = paths.unified ?? paths.pids ?? Object.values(paths)[0];
  if (home === undefined) return;
  for (;;) {
    const there = new Set(processesBelow(folder));
    const outside = processesBelow(home).filter((pid) => !there.has(pid));
    if (outside.length === 0) return;
    for (const pid of outside) move(pid, folder);
  }
}

function move(pid: number, folder: string): void {
  try {
    writeGroupFile(`move process ${pid} into ${folder}`, join(folder, 'cgroup.procs'), String(pid));
  } catch (error) {
    // it ended meanwhile
    if (!(error instanceof NacelleError) || error.code !== 'ESRCH') throw error;
  }
}

function processesBelow(folder: string): number[] {
  const own = (readGroupFile(join(folder, 'cgroup.procs')) ?? '').split('\n').filter(Boolean).map(Number);
  return [...own, ...groupsIn(folder).flatMap((name) => processesBelow(join(folder, name)))];
}

import { closeSync, constants, openSync, readdirSync, readFileSync } from 'node:fs';
import { hasCode } from '../../errors.js';
import { readIfThere } from '../../native/read-if-there.js';
import { attempt } from '../../native/system-errors.js';

/**
 * Processes of a group and of those below it, by their numbers. A container may nest its groups so deep that no path leads there, nor are there descriptors for
 * all of them: so it is gone from one to the next.
 *
 * @throws SyscallError
 */
export function processesIn(group: string): number[] {
  const pids = new Set<number>();
  const top = unlessGone(() => open(group));
  if (top === null) return [];
  let at = top;
  try {
    const waiting = [look(at, pids)];
    for (let names = waiting[0]; names !== undefined; names = waiting.at(-1)) {
      const name = names.pop();
      if (name === undefined && waiting.length === 1) break;
      const path: string = `/proc/self/fd/${at}/${name ?? '..'}`;
      const next = name === undefined ? open(path) : unlessGone(() => open(path));
      if (next === null) continue;
      closeSync(at);
      at = next;
      if (name === undefined) waiting.pop();
      else waiting.push(look(at, pids));
    }
    return [...pids];
  } finally {
    closeSync(at);
  }
}

function open(path: string): number {
  return attempt(`open the group ${path}`, () => openSync(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW));
}

/** Notes the processes of one group. @returns the names of the groups directly below it */
function look(group: number, pids: Set<number>): string[] {
  const path = `/proc/self/fd/${group}`;
  for (const pid of ownProcesses(path)) pids.add(pid);
  const entries = unlessGone(() => attempt('list a group', () => readdirSync(path, { withFileTypes: true }))) ?? [];
  return entries.flatMap((entry) => (entry.isDirectory() ? [entry.name] : []));
}

/** A threaded group tells of its threads alone (cgroup-v2.rst, "Threads"). */
function ownProcesses(group: string): number[] {
  try {
    return numbersIn(`${group}/cgroup.procs`);
  } catch (error) {
    if (!hasCode(error, 'EOPNOTSUPP', 'ENOTSUP')) throw error;
    return numbersIn(`${group}/cgroup.threads`).flatMap((thread) => {
      const [, process] = /^Tgid:\s*(\d+)$/m.exec(readIfThere(`/proc/${thread}/status`) ?? '') ?? [];
      return process === undefined ? [] : [Number(process)];
    });
  }
}

function numbersIn(file: string): number[] {
  const text = unlessGone(() => attempt(`read ${file}`, () => readFileSync(file, 'utf8'))) ?? '';
  return text.split('\n').filter(Boolean).map(Number);
}

/** A group that goes meanwhile has nothing to tell. ENODEV: its file was opened before. */
function unlessGone<T>(read: () => T): T | null {
  try {
    return read();
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENODEV')) return null;
    throw error;
  }
}

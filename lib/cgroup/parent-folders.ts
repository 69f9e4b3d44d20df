import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { failure } from './files/group-files.js';

/**
 * Folders that this process found missing above a group. They are made on the way, with nobody asking for them, so they are removed when
 * they are empty.
 */
const onTheWay = new Set<string>();

export function noteMissing(folders: Iterable<string>): void {
  for (const folder of folders) if (!existsSync(folder)) onTheWay.add(folder);
}

export function isOnTheWay(folder: string): boolean {
  return onTheWay.has(folder);
}

/** To be called for folders that somebody asks for: they stay, also when they are empty. */
export function claim(folders: Iterable<string>): void {
  for (const folder of folders) onTheWay.delete(folder);
}

/** The name of a group that is made in a group which has got limits. */
const HELD = 'nacelle-held';

/**
 * Keeps groups that have got limits, by a group in each: a process that had made their folders on the way would else remove them when they
 * are empty, and the limits with them. Removing the groups themselves removes this one too.
 *
 * @throws SyscallError
 */
export function holdGroups(folders: Iterable<string>): void {
  for (const folder of folders) {
    const path = join(folder, HELD);
    try {
      mkdirSync(path);
    } catch (error) {
      if (!existsSync(path)) throw failure(`keep the cgroup ${folder}`, 'mkdir', path, error);
    }
  }
}

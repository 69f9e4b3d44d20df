import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { failure } from './files/group-files.js';

/** Folders that this process found missing above a group: made on the way, with nobody asking for them, they go when they are empty. */
const onTheWay = new Set<string>();

export function noteMissing(folders: Iterable<string>): void {
  for (const folder of folders) if (!existsSync(folder)) onTheWay.add(folder);
}

export function isOnTheWay(folder: string): boolean {
  return onTheWay.has(folder);
}

/** Somebody asks for these. */
export function claim(folders: Iterable<string>): void {
  for (const folder of folders) onTheWay.delete(folder);
}

/** A group in a group that has got limits. */
const HELD = 'nacelle-held';

/**
 * Keeps groups that have got limits: whoever had made their folders on the way, in this process or another, would remove them
 * when they are empty, and the limits with them. What removes the groups themselves takes this along.
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

import { existsSync } from 'node:fs';

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

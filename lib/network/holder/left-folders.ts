import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { listIfThere } from '../../native/read-if-there.js';
import { runtimeDir } from '../../native/runtime-dir.js';
import { attempt } from '../../native/system-errors.js';
import { usesIn } from '../network-files.js';
import { findHolders } from './holder-note.js';

// Folders that tell of the networks in a network namespace go with it. Those of one whose holder was killed stay until the next one begins.

const FOLDERS = ['networks', 'members'];

/** The folders with the networks, and with the names, of a network namespace. */
export function foldersOf(namespace: number | string): string[] {
  return FOLDERS.map((folder) => join(runtimeDir(), folder, String(namespace)));
}

/** Whether there are folders of any network namespace. */
export function areFoldersLeft(): boolean {
  return FOLDERS.some((folder) => existsSync(join(runtimeDir(), folder)));
}

/**
 * Removes what is left of network namespaces that are held no more and that no container uses. The caller keeps others from starting a holder.
 *
 * @param fresh a namespace that was made just now: what has its number is of one before; `null`: there is none
 */
export function removeLeft(fresh: number | null): void {
  const held = new Set(findHolders().map(({ namespace }) => String(namespace)));
  const found = FOLDERS.flatMap((folder) => listIfThere(join(runtimeDir(), folder))).filter(
    (name) => /^\d+$/.test(name) && !held.has(name),
  );
  for (const namespace of new Set([...(fresh === null ? [] : [String(fresh)]), ...found])) {
    const folders = foldersOf(namespace);
    const [networks = ''] = folders;
    if (namespace !== String(fresh) && isUsed(networks)) continue;
    for (const path of folders) attempt(`remove ${path}`, () => rmSync(path, { recursive: true, force: true }));
  }
}

function isUsed(networks: string): boolean {
  return listIfThere(networks).some((network) => listIfThere(usesIn(join(networks, network))).length > 0);
}

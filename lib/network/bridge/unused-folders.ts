import { closeSync, fstatSync, openSync, rmdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { hasCode, toError } from '../../errors.js';
import { forwardingIn } from '../../host/forwarding.js';
import { readRecord, recordFiles, recordOwners } from '../../host/journal.js';
import { findNetworkNamespace } from '../../host/locate.js';
import { privilege } from '../../host/privilege.js';
import { tryLock } from '../../native/load-addon.js';
import { listIfThere } from '../../native/read-if-there.js';
import { runtimeDir } from '../../native/runtime-dir.js';
import { attempt } from '../../native/system-errors.js';
import { lockIn, usesIn } from '../network-files.js';
import { PERSIST, removeFilesOf } from './network-folder.js';

// Folders of networks that nobody uses any more, in whichever network namespace: they are kept for the next container, which follows the address that was
// given last, and go with their network. Where that was removed from another network namespace, or its own one has gone, nobody else removes them.

/**
 * Removes them, where the dead have been reaped. Those of an ordinary user go with the network namespace that has them (lib/network/holder).
 *
 * @returns what could not be removed, and why
 */
export function removeUnusedFolders(): Error[] {
  if (privilege().kind !== 'root') return [];
  const all = join(runtimeDir(), 'networks');
  return listIfThere(all)
    .filter((name) => /^\d+$/.test(name))
    .flatMap((namespace) => {
      try {
        removeUnusedIn(join(all, namespace), findNetworkNamespace(Number(namespace)) === 'gone');
        return [];
      } catch (error) {
        return [toError(error)];
      }
    });
}

/** @param isGone the network namespace has gone, with its bridges and settings: none persists */
function removeUnusedIn(folder: string, isGone: boolean): void {
  for (const name of listIfThere(folder)) if (name.includes('@')) removeUnused(join(folder, name), isGone);
  if (!isGone) return;
  attempt(`remove ${folder}`, () => {
    try {
      if (listIfThere(folder).every((name) => !name.includes('@'))) rmSync(forwardingIn(folder), { recursive: true, force: true });
      rmdirSync(folder);
    } catch (error) {
      // others have a network there, in a namespace that has got this number
      if (!hasCode(error, 'ENOENT', 'ENOTEMPTY', 'EEXIST')) throw error;
    }
  });
}

function removeUnused(folder: string, isGone: boolean): void {
  const lock = lockIn(folder);
  attempt(`remove ${folder}`, () => {
    const fd = openOrMakeLock(lock);
    if (fd === null) return;
    try {
      // whoever has the lock is there, and sees to the folder; one that has gone with the folder locks nothing
      if (!tryLock(fd, 'exclusive') || fstatSync(fd).nlink === 0) return;
      const uses = listIfThere(usesIn(folder));
      if (uses.some((use) => !(isGone && use === PERSIST)) || isRecorded(lock)) return;
      rmSync(join(usesIn(folder), PERSIST), { force: true });
      removeFilesOf(folder);
    } finally {
      closeSync(fd);
    }
  });
}

/** Whether somebody is about to use the network, or to leave its bridge, which takes the lock: who does so has a record before, and until it is done. */
function isRecorded(lock: string): boolean {
  return recordOwners().some((owner) =>
    recordFiles(owner).some((file) => readRecord(file).some((record) => record.kind === 'use' && record.lock === lock)),
  );
}

/** A process may have been killed before it made the file. `null`: there is no folder. */
function openOrMakeLock(path: string): number | null {
  try {
    return openSync(path, 'a+', 0o600);
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return null;
    throw error;
  }
}

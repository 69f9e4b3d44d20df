import { accessSync, constants, lstatSync, opendirSync, readdirSync, readFileSync, readlinkSync, realpathSync, type Stats } from 'node:fs';
import { hasCode } from '../../errors.js';
import { parseMountInfo } from '../../host/mountinfo.js';
import { runtimeDir } from '../../native/runtime-dir.js';
import { type Mounter, ROOT_MOUNTER } from '../../plan/mounter.js';
import type { RootRecipe } from '../../plan/recipe.js';
import { storeFolder } from '../../store/store-root.js';
import { ALWAYS_HIDDEN, HIDDEN } from './host-hidden.js';
import { hostRecipe } from './host-layout.js';
import type { HostEntry, HostProbe } from './host-probe.js';

/**
 * Looks at something; `null` where nothing is there. A folder without permission is an error for who can show whole mounts, for what can't be
 * looked at can't be hidden either. In parts it counts as missing: the program has no more rights than this process.
 */
function ifThere<T>(look: () => T, { whole }: Mounter): T | null {
  try {
    return look();
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENOTDIR', 'ELOOP') || (!whole && hasCode(error, 'EACCES'))) return null;
    throw error;
  }
}

function kindOf(stats: Stats): HostEntry['kind'] {
  if (stats.isDirectory()) return 'folder';
  if (stats.isSymbolicLink()) return 'link';
  return stats.isFile() ? 'file' : 'other';
}

function mayAccess(path: string, mode: number): boolean {
  try {
    accessSync(path, mode);
    return true;
  } catch (error) {
    if (hasCode(error, 'EACCES', 'EPERM', 'ENOENT', 'ENOTDIR', 'ELOOP')) return false;
    throw error;
  }
}

function isEmpty(path: string): boolean {
  // most file systems count the folders in a folder as links to it
  if (lstatSync(path).nlink > 2) return false;
  // a folder may be large, so its names are not all read
  const folder = opendirSync(path);
  try {
    return folder.readSync() === null;
  } finally {
    folder.closeSync();
  }
}

function probeFor(mounter: Mounter): HostProbe {
  return {
    entry: (path) => {
      const stats = ifThere(() => lstatSync(path, { throwIfNoEntry: false }) ?? null, mounter);
      if (stats === null) return null;
      return { kind: kindOf(stats), mode: stats.mode & 0o7777, uid: stats.uid, gid: stats.gid, size: stats.size };
    },
    real: (path) => ifThere(() => realpathSync.native(path), mounter),
    link: (path) => ifThere(() => readlinkSync(path), mounter),
    list: (path) => ifThere(() => readdirSync(path), mounter) ?? [],
    isEmpty: (path) => ifThere(() => isEmpty(path), mounter) ?? false,
    mayRead: (path) => mayAccess(path, constants.R_OK),
    maySearch: (path) => mayAccess(path, constants.X_OK),
  };
}

/** The recipe of this machine for `mounter`, as it is now: files to hide are looked for at each use. */
export function currentHostRecipe(hide: readonly string[] = HIDDEN, mounter: Mounter = ROOT_MOUNTER): RootRecipe {
  return hostRecipe({
    mounts: parseMountInfo(readFileSync('/proc/self/mountinfo', 'utf8')),
    hide,
    hideAlways: [...ALWAYS_HIDDEN, ...storeFolder(), runtimeDir()],
    probe: probeFor(mounter),
    mounter,
  });
}

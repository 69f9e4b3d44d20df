import { lstatSync, readdirSync, readFileSync, realpathSync } from 'node:fs';
import { hasCode } from '../../errors.js';
import { parseMountInfo } from '../../host/mountinfo.js';
import { runtimeDir } from '../../native/runtime-dir.js';
import type { RootRecipe } from '../../plan/recipe.js';
import { storeRoot } from '../../store/store-root.js';
import { ALWAYS_HIDDEN, HIDDEN } from './host-hidden.js';
import { type HostProbe, hostRecipe } from './host-layout.js';

function missing(error: unknown): boolean {
  return hasCode(error, 'ENOENT', 'ENOTDIR', 'ELOOP');
}

/**
 * Looks at something; `null` where nothing is there. What can't be looked at, such as a folder without permission, is an error, for it
 * can't be hidden either.
 */
function ifThere<T>(look: () => T): T | null {
  try {
    return look();
  } catch (error) {
    if (missing(error)) return null;
    throw error;
  }
}

const machine: HostProbe = {
  entry: (path) => {
    const stats = lstatSync(path, { throwIfNoEntry: false });
    if (!stats) return null;
    return {
      kind: stats.isDirectory() ? 'folder' : stats.isSymbolicLink() ? 'link' : 'other',
      mode: stats.mode & 0o7777,
      uid: stats.uid,
      gid: stats.gid,
    };
  },
  real: (path) => ifThere(() => realpathSync.native(path)),
  list: (path) => ifThere(() => readdirSync(path)) ?? [],
};

/** The recipe of this machine, as it is now: files to hide are looked for at each use. */
export function currentHostRecipe(hide: readonly string[] = HIDDEN): RootRecipe {
  return hostRecipe({
    mounts: parseMountInfo(readFileSync('/proc/self/mountinfo', 'utf8')),
    hide,
    hideAlways: [...ALWAYS_HIDDEN, storeRoot(), runtimeDir()],
    probe: machine,
  });
}

import { accessSync, constants, lstatSync, opendirSync, readdirSync, readFileSync, readlinkSync, realpathSync, type Stats } from 'node:fs';
import { hasCode } from '../../errors.js';
import { parseMountInfo, visibleMounts } from '../../host/mountinfo.js';
import { runtimeDir } from '../../native/runtime-dir.js';
import { type Mounter, ROOT_MOUNTER } from '../../plan/mounter.js';
import type { RootRecipe } from '../../plan/recipe.js';
import { storeFolder } from '../../store/store-root.js';
import { HostChanges } from './host-changes.js';
import { ALWAYS_HIDDEN, HIDDEN } from './host-hidden.js';
import { hostRecipe } from './host-layout.js';
import type { HostEntry, HostProbe } from './host-probe.js';
import { WatchedHost } from './watched-host.js';

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

/** What was found, and by which changes it may have become another. */
interface Known {
  readonly mounter: Mounter;
  readonly asked: string;
  /** `null` where not all changes are told. */
  readonly recipe: RootRecipe | null;
  readonly watched: WatchedHost;
}

/** The last ones, the last used at the end; of this thread. */
let known: readonly Known[] = [];
const MOST_KNOWN = 4;

/**
 * One for the thread: a user has 128 instances of inotify, and to close one takes the kernel some 15 ms, at the end of a process too. So a
 * script that asks once has none.
 */
let changes: HostChanges | undefined;
let hasAsked = false;

/**
 * The recipe of this machine for `mounter`, as it is now. Files to hide are looked for again when one of the folders that they can be in, or a
 * mount, has changed; where the kernel does not tell of all these, at each use.
 */
export function currentHostRecipe(hide: readonly string[] = HIDDEN, mounter: Mounter = ROOT_MOUNTER): RootRecipe {
  if (hasAsked) changes ??= new HostChanges();
  hasAsked = true;
  for (const change of changes?.since() ?? []) known = known.filter(({ watched }) => !watched.concerns(change));
  const hideAlways = [...ALWAYS_HIDDEN, ...storeFolder(), runtimeDir()];
  const asked = JSON.stringify([hide, hideAlways]);
  const last = known.find((one) => one.mounter === mounter && one.asked === asked);
  if (last) known = [...known.filter((one) => one !== last), last];
  if (last?.recipe) return last.recipe;
  const mounts = parseMountInfo(readFileSync('/proc/self/mountinfo', 'utf8'));
  const look = (probe: HostProbe): RootRecipe => hostRecipe({ mounts, hide, hideAlways, probe, mounter });
  if (last || changes === undefined) return look(probeFor(mounter));
  const watched = new WatchedHost({ add: changes.add, probe: probeFor(mounter), mounts: visibleMounts(mounts) });
  const recipe = look(watched.probe);
  known = [...known.slice(1 - MOST_KNOWN), { mounter, asked, recipe: watched.hearsAll ? recipe : null, watched }];
  return recipe;
}

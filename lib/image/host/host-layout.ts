import { posix } from 'node:path';
import { invalidOption } from '../../errors.js';
import { isWithin, type MountInfo, visibleMounts } from '../../host/mountinfo.js';
import { type BindRecipe, type CoverEntry, MOUNT_ATTR, type OverlayRecipe, type RootRecipe } from '../../plan/recipe.js';
import { EMPTY, KERNEL_TYPES, MEMORY_TYPES, NOT_LOWER_TYPES, OWN_FILES, READ_ONLY_TYPES } from './host-hidden.js';

/** What is at a path; a link there is not followed. */
export interface HostEntry {
  readonly kind: 'folder' | 'link' | 'other';
  /** Permission bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

/** The questions that the layout asks the machine. */
export interface HostProbe {
  /** As lstat(2); `null` when nothing is there. */
  entry(path: string): HostEntry | null;
  /** As realpath(3); `null` when nothing is there. */
  real(path: string): string | null;
  /** Names in a folder; none when there is no folder. */
  list(path: string): readonly string[];
}

export interface HostLayoutOptions {
  readonly mounts: readonly MountInfo[];
  /** Absolute paths; '*' stands for any part of one name. Those that are missing need no hiding. */
  readonly hide: readonly string[];
  /** Absolute paths without '*', hidden also when they are made later. */
  readonly hideAlways: readonly string[];
  readonly probe: HostProbe;
}

/** A path to hide, resolved but for its last name. `empty`: the folder stays, without what is in it. */
interface Target {
  readonly path: string;
  readonly empty: boolean;
}

/** The same place in terms of file systems, so that it is hidden wherever else it is mounted. */
interface Place {
  readonly device: string;
  readonly path: string;
  readonly empty: boolean;
}

/**
 * The copy-on-write view of a machine as a recipe: an overlay for each of its mounts that is to be seen, each under a layer
 * that hides what must not be. Pure: what is on the machine comes from `mounts` and `probe`.
 *
 * @throws NacelleError `ERR_INVALID_OPTION` when the root itself would be hidden
 */
export function hostRecipe(options: HostLayoutOptions): RootRecipe {
  const { probe } = options;
  const mounts = withRoot(visibleMounts(options.mounts));
  const targets = [
    ...options.hide.flatMap((pattern) => resolveTargets(pattern, probe)),
    ...options.hideAlways.flatMap((path) => resolveAlways(path, probe)),
  ];
  const places = targets.flatMap(({ path, empty }): Place[] => {
    const mount = mountOf(path, mounts);
    return mount ? [{ device: mount.device, path: posix.join(mount.root, posix.relative(mount.mountPoint, path)), empty }] : [];
  });
  const { overlays, binds, covered } = sortMounts(mounts, targets, places, probe);

  // By mount, where a hidden place is seen through it, and the mount points that are to look empty.
  const hiddenIn = new Map<MountInfo, Target[]>(overlays.map((mount) => [mount, []]));
  for (const mount of overlays) {
    for (const place of places) {
      if (place.device !== mount.device || place.path === mount.root || !isWithin(place.path, mount.root)) continue;
      hiddenIn.get(mount)?.push({ path: posix.join(mount.mountPoint, posix.relative(mount.root, place.path)), empty: place.empty });
    }
  }
  for (const target of [...covered, ...targets]) {
    const mount = mountOf(target.path, overlays);
    if (mount && mount.mountPoint !== target.path) hiddenIn.get(mount)?.push(target);
  }
  return { mounts: overlays.map((mount) => overlayOf(mount, hiddenIn.get(mount) ?? [], probe)), binds };
}

/** The mounts with one at '/': inside a chroot the root need not be a mount. */
function withRoot(mounts: readonly MountInfo[]): MountInfo[] {
  if (mounts.some((mount) => mount.mountPoint === '/')) return [...mounts];
  return [{ id: -1, parent: -1, device: '', root: '/', mountPoint: '/', options: [], type: '', source: '' }, ...mounts];
}

/** The innermost of `mounts` that a path lies in. They are sorted, parents first. */
function mountOf(path: string, mounts: readonly MountInfo[]): MountInfo | undefined {
  return mounts.filter((mount) => isWithin(path, mount.mountPoint)).at(-1);
}

function expand(pattern: string, probe: HostProbe): string[] {
  return pattern
    .split('/')
    .filter((name) => name !== '')
    .reduce<string[]>(
      (folders, name) => {
        if (!name.includes('*')) return folders.map((folder) => posix.join(folder, name));
        const matcher = new RegExp(
          `^${name
            .split('*')
            .map((part) => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'))
            .join('.*')}$`,
          's',
        );
        return folders.flatMap((folder) =>
          probe
            .list(folder)
            .filter((entry) => matcher.test(entry))
            .map((entry) => posix.join(folder, entry)),
        );
      },
      ['/'],
    );
}

/** The targets of a pattern. A link is hidden, and so is what it points to; of a folder that stays, what it points to is emptied. */
function resolveTargets(pattern: string, probe: HostProbe): Target[] {
  return expand(pattern, probe).flatMap((path): Target[] => {
    if (path === '/') throw invalidOption('hide', "'/' can't be hidden: it is the image");
    if (probe.entry(path) === null) return [];
    const real = probe.real(path);
    const folder = probe.real(posix.dirname(path));
    if (real === '/') throw invalidOption('hide', `${path} is a link to '/', which can't be hidden`);
    if (EMPTY.has(path) && real !== null) return [{ path: real, empty: true }];
    if (folder === null) return [];
    const named = posix.join(folder, posix.basename(path));
    return [...new Set(real === null ? [named] : [named, real])].map((hidden) => ({ path: hidden, empty: false }));
  });
}

/** The targets of a path that is always hidden. Where it is missing, its first missing name is hidden. */
function resolveAlways(path: string, probe: HostProbe): Target[] {
  const found = resolveTargets(path, probe);
  if (found.length > 0) return found;
  let missing = path;
  let folder = probe.real(posix.dirname(missing));
  while (folder === null) {
    missing = posix.dirname(missing);
    folder = probe.real(posix.dirname(missing));
  }
  return [{ path: posix.join(folder, posix.basename(missing)), empty: false }];
}

function sortMounts(mounts: readonly MountInfo[], targets: readonly Target[], places: readonly Place[], probe: HostProbe) {
  const overlays: MountInfo[] = [];
  const binds: BindRecipe[] = [];
  const covered: Target[] = [];
  for (const mount of mounts) {
    const { mountPoint, type } = mount;
    if (mountPoint === '/') {
      overlays.push(mount);
      continue;
    }
    const under = (paths: readonly string[]): boolean => paths.some((path) => isWithin(mountPoint, path));
    const entry = probe.entry(mountPoint);
    if (entry === null || under(targets.map(({ path }) => path)) || under(covered.map(({ path }) => path))) continue;
    const kind = entry.kind === 'folder' ? 'folder' : 'file';
    const own = kind === 'file' && OWN_FILES.has(mountPoint);
    if (own) continue;
    const same = places.filter((place) => place.device === mount.device);
    const isHidden = same.some((place) => isWithin(mount.root, place.path));
    const holdsHidden = same.some((place) => isWithin(place.path, mount.root));
    const onlyBind = kind === 'file' || NOT_LOWER_TYPES.has(type) || under(binds.map(({ target }) => target));
    if (isHidden || KERNEL_TYPES.has(type) || MEMORY_TYPES.has(type) || (onlyBind && holdsHidden)) {
      covered.push({ path: mountPoint, empty: kind === 'folder' });
    } else if (onlyBind || (READ_ONLY_TYPES.has(type) && !holdsHidden)) {
      binds.push({ source: mountPoint, target: mountPoint, kind, attributes: attributesOf(mount) | MOUNT_ATTR.RDONLY });
    } else {
      overlays.push(mount);
    }
  }
  return { overlays, binds, covered };
}

/** The attributes of the mount inside. What the host's mount forbids stays forbidden, but a read-only one is copy-on-write all the same. */
function attributesOf({ options }: MountInfo): number {
  return MOUNT_ATTR.NODEV | (options.includes('nosuid') ? MOUNT_ATTR.NOSUID : 0) | (options.includes('noexec') ? MOUNT_ATTR.NOEXEC : 0);
}

function overlayOf(mount: MountInfo, hidden: readonly Target[], probe: HostProbe): OverlayRecipe {
  const { mode, uid, gid } = probe.entry(mount.mountPoint) ?? { mode: 0o755, uid: 0, gid: 0 };
  return {
    target: mount.mountPoint,
    lower: [mount.mountPoint],
    attributes: attributesOf(mount),
    root: { mode, uid, gid },
    cover: coverOf(mount.mountPoint, hidden, probe),
  };
}

/** The entries of the covering layer. Folders on the way keep their mode and owner, as a layer's folder hides those of the layers below. */
function coverOf(mountPoint: string, hidden: readonly Target[], probe: HostProbe): CoverEntry[] {
  const entries = new Map<string, CoverEntry>();
  const isCovered = (path: string): boolean => {
    const entry = entries.get(path);
    return entry !== undefined && (entry.kind === 'whiteout' || entry.opaque);
  };
  // Shorter paths first: what lies in a hidden folder needs no entry of its own. Of two wishes for one path, emptying loses.
  const ordered = [...hidden].sort((a, b) => a.path.length - b.path.length || Number(a.empty) - Number(b.empty));
  for (const { path, empty } of ordered) {
    const relative = posix.relative(mountPoint, path);
    const parents = parentsOf(relative);
    if ([...parents, relative].some(isCovered)) continue;
    const folders = parents.map((parent) => ({ parent, entry: probe.entry(posix.join(mountPoint, parent)) }));
    if (folders.some(({ entry }) => entry?.kind !== 'folder')) continue;
    for (const { parent, entry } of folders) if (entry) entries.set(parent, folderEntry(parent, entry, false));
    const entry = empty ? probe.entry(path) : null;
    entries.set(relative, entry?.kind === 'folder' ? folderEntry(relative, entry, true) : { kind: 'whiteout', path: relative });
  }
  return [...entries.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
}

function folderEntry(path: string, { mode, uid, gid }: HostEntry, opaque: boolean): CoverEntry {
  return { kind: 'folder', path, opaque, mode, uid, gid };
}

function parentsOf(path: string): string[] {
  const names = path.split('/').slice(0, -1);
  return names.map((_, index) => names.slice(0, index + 1).join('/'));
}

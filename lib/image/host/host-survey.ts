import { posix } from 'node:path';
import { isWithin, type MountInfo, visibleMounts } from '../../host/mountinfo.js';
import { type BindRecipe, MOUNT_ATTR } from '../../plan/recipe.js';
import { attributesOf } from './host-cover.js';
import { KERNEL_TYPES, MEMORY_TYPES, NOT_LOWER_TYPES, OWN_FILES, READ_ONLY_TYPES } from './host-hidden.js';
import type { HostProbe } from './host-probe.js';
import { resolveAlways, resolveTargets, type Target } from './host-targets.js';

export interface SurveyOptions {
  readonly mounts: readonly MountInfo[];
  /** Absolute paths; '*' stands for any part of one name. Those that are missing need no hiding. */
  readonly hide: readonly string[];
  /** Absolute paths without '*', hidden also when they are made later. */
  readonly hideAlways: readonly string[];
  readonly probe: HostProbe;
}

/** What becomes of each mount that can be seen. */
interface Sorted {
  /** Parents first; the first is '/'. */
  readonly overlays: readonly MountInfo[];
  readonly binds: readonly BindRecipe[];
  /** Mount points that are to look empty, or not to be there at all. */
  readonly covered: readonly Target[];
}

/** What of a machine is shown, and how. */
export interface Survey extends Sorted {
  /** All mounts that can be seen, parents first. */
  readonly mounts: readonly MountInfo[];
  /** The one at '/'. */
  readonly root: MountInfo;
  /** By mount of `overlays`: what is hidden in it. */
  readonly hiddenIn: ReadonlyMap<MountInfo, readonly Target[]>;
}

/** The same place in terms of file systems, so that it is hidden wherever else it is mounted. */
interface Place {
  readonly device: string;
  readonly path: string;
  readonly empty: boolean;
}

/** @throws NacelleError `ERR_INVALID_OPTION` when the root itself would be hidden */
export function surveyHost({ mounts: all, hide, hideAlways, probe }: SurveyOptions): Survey {
  const seen = visibleMounts(all);
  const root = seen.find(({ mountPoint }) => mountPoint === '/') ?? NO_MOUNT;
  const mounts = [root, ...seen.filter((mount) => mount !== root)];
  const targets = [
    ...hide.flatMap((pattern) => resolveTargets(pattern, probe)),
    ...hideAlways.flatMap((path) => resolveAlways(path, probe)),
  ];
  const places = targets.flatMap(({ path, empty }): Place[] => {
    const mount = mountOf(path, mounts);
    return mount ? [{ device: mount.device, path: posix.join(mount.root, posix.relative(mount.mountPoint, path)), empty }] : [];
  });
  const sorted = sortMounts(mounts, targets, places, probe);
  const { overlays, covered } = sorted;

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
  return { ...sorted, mounts, root, hiddenIn };
}

/** Inside a chroot the root need not be a mount. */
const NO_MOUNT: MountInfo = { id: -1, parent: -1, device: '', root: '/', mountPoint: '/', options: [], type: '', source: '' };

/** The innermost of `mounts` that a path lies in. They are sorted, parents first. */
export function mountOf(path: string, mounts: readonly MountInfo[]): MountInfo | undefined {
  return mounts.filter((mount) => isWithin(path, mount.mountPoint)).at(-1);
}

function sortMounts(mounts: readonly MountInfo[], targets: readonly Target[], places: readonly Place[], probe: HostProbe): Sorted {
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
    // through a bind, a socket of the host would work: docker's gives the machine away
    if (entry.kind === 'other') {
      covered.push({ path: mountPoint, empty: false });
      continue;
    }
    const same = places.filter((place) => place.device === mount.device);
    const isHidden = same.some((place) => isWithin(mount.root, place.path));
    const holdsHidden = same.some((place) => isWithin(place.path, mount.root));
    const onlyBind = kind === 'file' || NOT_LOWER_TYPES.has(type) || under(binds.map(({ target }) => target));
    if (isHidden || KERNEL_TYPES.has(type) || MEMORY_TYPES.has(type) || (onlyBind && holdsHidden)) {
      covered.push({ path: mountPoint, empty: kind === 'folder' });
    } else if (onlyBind || (READ_ONLY_TYPES.has(type) && !holdsHidden)) {
      binds.push({
        source: mountPoint,
        target: mountPoint,
        kind,
        recursive: false,
        sealed: false,
        attributes: attributesOf(mount) | MOUNT_ATTR.RDONLY,
      });
    } else {
      overlays.push(mount);
    }
  }
  return { overlays, binds, covered };
}

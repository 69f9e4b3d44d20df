import { isWithin } from '../../host/mountinfo.js';
import type { Slots } from '../../plan/plan.js';
import { MOUNT_ATTR } from '../../plan/recipe.js';
import type { Slot, Step } from '../../plan/steps.js';
import type { Place } from './ground.js';
import { DEV, type MountTable, PROC, SYS } from './mount-table.js';

const { RDONLY, NOSUID, NODEV, NOEXEC } = MOUNT_ATTR;

interface Input {
  readonly table: Paths;
  readonly slots: Slots;
  /** Further options of the file system that covers folders. */
  readonly folderOptions?: readonly string[];
}

export interface Protection {
  /** Steps that read nothing of the host. */
  readonly make: readonly Step[];
  /** Steps to be run when all is mounted; the first place is the root. */
  protect(places: readonly Place[], nullDevice: Slot): Step[];
  /**
   * The same for a container that waits in between. Only the kernel makes names in /proc and /sys, so what is there is covered by the first
   * part. On other mounts others may have made or moved something while the container waited, so what is there is looked for by the rest.
   */
  protectInParts(places: readonly Place[], nullDevice: Slot, of: Waiting): { readonly first: Step[]; readonly rest: Step[] };
}

interface Waiting {
  readonly slots: Slots;
  /** Others may move what is mounted on the root itself. */
  readonly isRootShared: boolean;
}

type Paths = Pick<MountTable, 'maskedPaths' | 'readonlyPaths'>;

/**
 * Read-only and masked paths of the container. Each is looked for below the mount that it is on, never by a path from the root: others
 * may write to the root, and move a mount point away while the container is set up.
 */
export function planProtection({ table, slots, folderOptions = [] }: Input): Protection {
  const empty = slots.take();
  return {
    make: table.maskedPaths.length === 0 ? [] : [emptyFolder(empty, folderOptions)],
    protect: (places, file) => [...cover(table, { places, file, folder: empty }), ...requireKernels(places)],
    protectInParts: (places, file, { slots: own, isRootShared }) => {
      const [kernels, others] = [only(table, (path) => isKernels(places, path)), only(table, (path) => !isKernels(places, path))];
      // a mount that covers a folder already would be moved away from there
      const folder = own.take();
      return {
        first: [
          ...cover(kernels, { places, file, folder: empty }),
          ...requireKernels(places),
          ...(others.maskedPaths.length === 0 ? [] : [emptyFolder(folder, folderOptions)]),
        ],
        rest: [...cover(others, { places, file, folder }), ...(isRootShared ? requireKernels(places) : [])],
      };
    },
  };
}

/** `file` covers files, `folder` folders. */
function cover(
  { readonlyPaths: readonly, maskedPaths: masked }: Paths,
  { places, file, folder }: { places: readonly Place[]; file: Slot; folder: Slot },
): Step[] {
  return [
    ...(readonly.length === 0 ? [] : [{ op: 'readonly', ...below(places, readonly) } as const]),
    ...(masked.length === 0 ? [] : [{ op: 'mask', ...below(places, masked), file, folder } as const]),
  ];
}

function only({ maskedPaths, readonlyPaths }: Paths, fits: (path: string) => boolean): Paths {
  return { maskedPaths: maskedPaths.filter(fits), readonlyPaths: readonlyPaths.filter(fits) };
}

/** Folders whose files a program takes for the kernel's answers, or for devices. */
const KERNELS = [PROC, SYS, DEV];

function requireKernels(places: readonly Place[]): Step[] {
  return KERNELS.flatMap((path) => requireMount(places, path));
}

/** Whether the mount that holds the path is the /proc or /sys that each container gets, or shows the same. */
function isKernels(places: readonly Place[], path: string): boolean {
  const holder = holding(places, path);
  return holder?.kernels === true || holder?.shows !== undefined;
}

/** Of the mounts that cover the path, the last one is seen. */
function holding(places: readonly Place[], path: string): Place | undefined {
  return places.findLast((place) => isWithin(path, place.path));
}

/** The paths as seen from the mounts that hold them. */
function below(places: readonly Place[], paths: readonly string[]): { roots: Slot[]; paths: string[] } {
  const found = new Map<string, { root: Slot; path: string }>();
  const add = (root: Slot, path: string): void => void found.set(`${root}:${path}`, { root, path });
  for (const path of paths) {
    const holder = holding(places, path);
    if (holder) add(holder.mount, within(path, holder.path));
    for (const { shows, mount } of places) if (shows !== undefined && isWithin(path, shows)) add(mount, within(path, shows));
  }
  const all = [...found.values()];
  return { roots: all.map(({ root }) => root), paths: all.map(({ path }) => path) };
}

function within(path: string, folder: string): string {
  return folder === '/' ? path : path.slice(folder.length);
}

/** A step that fails where the path leads to another mount than the one that was made for it, or to none. */
function requireMount(places: readonly Place[], path: string): Step[] {
  const [root] = places;
  const mount = places.findLast((place) => place.path === path)?.mount;
  return root === undefined || mount === undefined ? [] : [{ op: 'require_mount', root: root.mount, path, mount }];
}

/** One empty read-only tmpfs serves all masked folders. */
function emptyFolder(out: Slot, options: readonly string[]): Step {
  return {
    op: 'filesystem',
    out,
    type: 'tmpfs',
    options: ['size=0', 'mode=755', ...options],
    attributes: RDONLY | NOSUID | NODEV | NOEXEC,
  };
}

import { isWithin } from '../../host/mountinfo.js';
import type { Slots } from '../../plan/plan.js';
import { MOUNT_ATTR } from '../../plan/recipe.js';
import type { Slot, Step } from '../../plan/steps.js';
import type { Place } from './ground.js';
import { DEV, type MountTable, PROC } from './mount-table.js';

const { RDONLY, NOSUID, NODEV, NOEXEC } = MOUNT_ATTR;

interface Input {
  readonly table: Pick<MountTable, 'maskedPaths' | 'readonlyPaths'>;
  readonly slots: Slots;
}

export interface Protection {
  /** Steps that read nothing of the host. */
  readonly make: readonly Step[];
  /** Steps to be run when all is mounted; the first place is the root. */
  protect(places: readonly Place[], nullDevice: Slot): Step[];
}

/**
 * Read-only and masked paths of the container. Each is looked for below the mount that it is on, never by a path from the root: others
 * may write to the root, and move a mount point away while the container is set up.
 */
export function planProtection({ table, slots }: Input): Protection {
  const { readonlyPaths: readonly, maskedPaths: masked } = table;
  const empty = slots.take();
  return {
    make: masked.length === 0 ? [] : [emptyFolder(empty)],
    protect: (places, nullDevice) => [
      ...(readonly.length === 0 ? [] : [{ op: 'readonly', ...below(places, readonly) } as const]),
      ...(masked.length === 0 ? [] : [{ op: 'mask', ...below(places, masked), file: nullDevice, folder: empty } as const]),
      ...KERNELS.flatMap((path): Step[] => requireMount(places, path)),
    ],
  };
}

/** Folders whose files a program takes for the kernel's answers, or for devices. */
const KERNELS = [PROC, '/sys', DEV];

/** The paths as seen from the mounts that hold them. */
function below(places: readonly Place[], paths: readonly string[]): { roots: Slot[]; paths: string[] } {
  const found = new Map<string, { root: Slot; path: string }>();
  const add = (root: Slot, path: string): void => void found.set(`${root}:${path}`, { root, path });
  for (const path of paths) {
    // of the mounts that cover the path, the last one is seen
    const holder = places.findLast((place) => isWithin(path, place.path));
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
function emptyFolder(out: Slot): Step {
  return { op: 'filesystem', out, type: 'tmpfs', options: ['size=0', 'mode=755'], attributes: RDONLY | NOSUID | NODEV | NOEXEC };
}

import type { Slots } from '../../plan/plan.js';
import { MOUNT_ATTR } from '../../plan/recipe.js';
import type { Slot, Step } from '../../plan/steps.js';
import { defaultMaskedPaths, defaultReadonlyPaths } from '../../security/paths.js';
import type { ParsedMount } from '../mounts.js';
import type { ParsedOptions } from '../options.js';

const { RDONLY, NOSUID, NODEV, NOEXEC } = MOUNT_ATTR;

interface Input {
  readonly options: Pick<ParsedOptions, 'maskedPaths' | 'readonlyPaths'>;
  readonly slots: Slots;
}

export interface Protection {
  /** They read nothing of the host. */
  readonly make: readonly Step[];
  /** When all is mounted. */
  protect(root: Slot, nullDevice: Slot): Step[];
}

/** Read-only and masked paths of the container. */
export function planProtection({ options, slots }: Input): Protection {
  const readonly = options.readonlyPaths ?? defaultReadonlyPaths;
  const masked = options.maskedPaths ?? defaultMaskedPaths;
  const empty = slots.take();
  return {
    make: masked.length === 0 ? [] : [emptyFolder(empty)],
    protect: (root, nullDevice) => [
      { op: 'readonly', root, paths: readonly },
      ...(masked.length === 0 ? [] : [{ op: 'mask', root, paths: masked, file: nullDevice, folder: empty } as const]),
    ],
  };
}

/**
 * The same below one more mount of proc or sysfs: it shows what those at /proc and /sys show. By the mount itself, for a link
 * or another mount may lead its path elsewhere by the time that the container's own paths are protected.
 */
export function protectMount({ options, slots }: Input, { type }: ParsedMount, mount: Slot, nullDevice: Slot): Step[] {
  const place = type === 'proc' ? '/proc' : '/sys';
  const within = (paths: readonly string[]): string[] =>
    paths.filter((path) => path.startsWith(`${place}/`)).map((path) => path.slice(place.length));
  const readonly = within(options.readonlyPaths ?? defaultReadonlyPaths);
  const masked = within(options.maskedPaths ?? defaultMaskedPaths);
  const empty = slots.take();
  return [
    ...(readonly.length === 0 ? [] : [{ op: 'readonly', root: mount, paths: readonly } as const]),
    ...(masked.length === 0
      ? []
      : [emptyFolder(empty), { op: 'mask', root: mount, paths: masked, file: nullDevice, folder: empty } as const]),
  ];
}

/** One empty read-only tmpfs serves all masked folders. */
function emptyFolder(out: Slot): Step {
  return { op: 'filesystem', out, type: 'tmpfs', options: ['size=0', 'mode=755'], attributes: RDONLY | NOSUID | NODEV | NOEXEC };
}

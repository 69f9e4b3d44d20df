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

/** Read-only and masked paths of the container. */
export function protectRoot({ options, slots }: Input, root: Slot, nullDevice: Slot): Step[] {
  const readonly = options.readonlyPaths ?? defaultReadonlyPaths;
  const masked = options.maskedPaths ?? defaultMaskedPaths;
  return [{ op: 'readonly', root, paths: readonly }, ...mask(masked, { root, nullDevice, empty: slots.take() })];
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
  return [
    ...(readonly.length === 0 ? [] : [{ op: 'readonly', root: mount, paths: readonly } as const]),
    ...mask(masked, { root: mount, nullDevice, empty: slots.take() }),
  ];
}

/** One empty read-only tmpfs serves all masked folders. */
function mask(paths: readonly string[], { root, nullDevice, empty }: Record<'root' | 'nullDevice' | 'empty', Slot>): Step[] {
  if (paths.length === 0) return [];
  return [
    { op: 'filesystem', out: empty, type: 'tmpfs', options: ['size=0', 'mode=755'], attributes: RDONLY | NOSUID | NODEV | NOEXEC },
    { op: 'mask', root, paths, file: nullDevice, folder: empty },
  ];
}

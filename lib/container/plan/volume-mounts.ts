import { CREATE } from '../../plan/constants.js';
import { ANYWHERE } from '../../plan/plan.js';
import type { Slot, Step } from '../../plan/steps.js';
import { isMountedOver } from '../options/mount-target.js';
import type { PlanInput } from './plan-input.js';

export interface VolumePlan {
  readonly steps: readonly Step[];
  /** Volumes in mounts of the caller's, by their paths: they are attached when those are. */
  readonly inMounts: ReadonlyMap<string, Slot>;
}

/**
 * Steps for the volumes that the image declares: each is the root's own folder, made where the image has none, as a mount of its own. So it
 * holds what the image has there, without a copy, and can be written to where the root can't.
 *
 * These come before /proc, /sys and /dev, so an image that declares one of those as a volume gets the usual mount nonetheless. Nothing of
 * the caller's is mounted yet either, to which a link could lead.
 */
export function planVolumes({ slots, volumes, options }: Pick<PlanInput, 'slots' | 'volumes' | 'options'>, root: Slot): VolumePlan {
  const inMounts = new Map<string, Slot>();
  const steps = volumes.flatMap((path): Step[] => {
    const [folder, mount] = [slots.take(), slots.take()];
    const isInMount = isMountedOver(path, options.mounts);
    if (isInMount) inMounts.set(path, mount);
    return [
      { op: 'mkdir', out: folder, root, path, mode: 0o755, uid: 0, gid: 0 },
      { op: 'clone_mount', out: mount, at: folder, path: '', recursive: 0 },
      ...(isInMount ? [] : [{ op: 'attach', mount, root, path, create: CREATE.no, ...ANYWHERE } as const]),
      { op: 'close', slot: folder },
    ];
  });
  return { steps, inMounts };
}

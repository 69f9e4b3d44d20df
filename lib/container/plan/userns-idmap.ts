import { constants } from 'node:fs';
import { NONE } from '../../plan/plan.js';
import type { Slot, Step } from '../../plan/steps.js';

/** Of which of the host's files a container's root is the owner. All others are nobody's inside. */
export interface Idmaps {
  /** Binds that are the container's own: of a root that is a folder, and of the parts of an image. */
  readonly mounts: ReadonlySet<Slot>;
  /** Folders of the host that are bound as volumes, by their paths. */
  readonly volumes: ReadonlySet<string>;
  /** Folders of the host that are copied, by their paths. */
  readonly copied: ReadonlySet<string>;
}

interface Place {
  readonly users: Slot;
  /** A user namespace with the maps turned round. */
  readonly back: Slot;
  readonly staging: Slot;
}

/** Opens a folder of the host's, to be read: whatever its root owns is the root's inside. */
export function openMapped({ out, path, users }: { out: Slot; path: string; users: Slot }): Step[] {
  return [
    { op: 'clone_mount', out, at: NONE, path, recursive: 0 },
    { op: 'idmap', mount: out, users, path, recursive: 0 },
    { op: 'open_in_root', out, root: out, path: '.', flags: constants.O_RDONLY | constants.O_DIRECTORY },
  ];
}

/**
 * Steps with the layers of overlays, volumes and the like mapped: their owners on disk are those inside, and the mount shows them as the ids
 * that these have outside. So nothing is chowned, and containers with other ids share the layers.
 */
export function idmapped(steps: readonly Step[], { mounts, volumes, copied, users, back, staging }: Idmaps & Place): Step[] {
  const overlays = steps.flatMap((step) => (step.op === 'overlay' ? [step] : []));
  const [lower, uppers] = [new Set(overlays.flatMap((step) => step.lower)), new Set(overlays.map(({ upper }) => upper))];
  const mapped: Step[] = [];
  const waiting: Step[] = [];
  for (const step of steps) {
    const map = (mount: Slot, path: string, recursive: number | bigint = 0): void => {
      mapped.push({ op: 'idmap', mount, users, path, recursive });
    };
    if (step.op === 'open' && step.at === NONE && step.out !== undefined && lower.has(step.out)) {
      const { out, path } = step;
      mapped.push({ op: 'clone_mount', out, at: NONE, path, recursive: 0 });
      map(out, path);
      // kernels before 6.15 want the layers of an overlay attached somewhere
      const name = `layer${waiting.length / 2}`;
      waiting.push(
        { op: 'mkdir', out: NONE, root: staging, path: name, mode: 0o700, uid: 0, gid: 0 },
        { op: 'attach_at', mount: out, at: staging, path: name },
      );
    } else if (step.op === 'open' && step.at === NONE && step.out !== undefined && copied.has(step.path)) {
      mapped.push(...openMapped({ out: step.out, path: step.path, users }));
    } else if (step.op === 'give' && uppers.has(step.slot)) {
      // the upper has the owners of outside; whoever reads the changes gets a mount of it that shows those of inside
      const { slot } = step;
      mapped.push(
        { op: 'clone_mount', out: slot, at: slot, path: '', recursive: 0 },
        { op: 'idmap', mount: slot, users: back, path: 'the upper folder', recursive: 0 },
        step,
      );
    } else {
      mapped.push(step);
      if (step.op === 'clone_mount' && step.out !== undefined && (mounts.has(step.out) || volumes.has(step.path))) {
        map(step.out, step.path, step.recursive);
      }
      if (step.op === 'attach_at' && step.mount === staging) mapped.push(...waiting.splice(0));
    }
  }
  return mapped;
}

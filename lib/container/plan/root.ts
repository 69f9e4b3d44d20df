import { CREATE, O_PATH, PROPAGATION } from '../../plan/constants.js';
import { overlayOptions } from '../../plan/overlay.js';
import { NONE } from '../../plan/plan.js';
import { coverSteps, MOUNT_ATTR, type OverlayRecipe } from '../../plan/recipe.js';
import type { Slot, Step } from '../../plan/steps.js';
import type { PlanInput } from './input.js';

export interface RootPlan {
  readonly steps: readonly Step[];
  /** The mount that becomes the root. */
  readonly root: Slot;
  /** A tmpfs of the container's that no path inside leads to: what is bound from there is seen where it is bound alone. */
  readonly staging: Slot;
  /** Mounts that are made read-only when everything is in place. */
  readonly mounts: readonly Slot[];
}

/**
 * Where the staging tmpfs is mounted until the old root goes, and takes it along: kernels before 6.15 want the layers of
 * an overlay attached somewhere. Not over '/', where detaching would take a second wait for all processors.
 */
const STAGING = '/sys';

/** Steps that make the root. It is mounted over '/': there no path leads to it, and the process's own root is still the one below. */
export function planRoot({ slots, root: source }: Pick<PlanInput, 'slots' | 'root'>): RootPlan {
  const staging = slots.take();
  const size = source.type === 'recipe' && source.disk === null ? source.upperSize : STAGING_BYTES;
  // no files but a container's own: the few of a rootfs fit into little
  const make: Step = { op: 'filesystem', out: staging, type: 'tmpfs', options: [`size=${size}`, 'mode=755'], attributes: MOUNT_ATTR.NODEV };
  const stage: Step = { op: 'attach_at', mount: staging, at: NONE, path: STAGING };
  if (source.type === 'folder') {
    const root = slots.take();
    return {
      staging,
      root,
      mounts: [root],
      steps: [
        { op: 'clone_mount', out: root, at: NONE, path: source.path, recursive: 1 },
        // devices are real in /dev alone, where we made them
        { op: 'set_mount', mount: root, recursive: 1, set: MOUNT_ATTR.NODEV, clear: 0, propagation: PROPAGATION.private },
        make,
        stage,
        { op: 'attach_at', mount: root, at: NONE, path: '/' },
      ],
    };
  }

  const { recipe, disk } = source;
  const place = disk === null ? staging : slots.take();
  const opened: Step[] = disk === null ? [] : [openFolder(place, disk)];
  const steps: Step[] = [];
  const mounts: Slot[] = [];
  recipe.mounts.forEach((mount, index) => {
    const lower = mount.lower.map((path) => {
      const slot = slots.take();
      opened.push(openFolder(slot, path));
      return slot;
    });
    const made = overlaySteps(mount, { index, lower, staging, place, disk: disk !== null, take: () => slots.take() });
    steps.push(...made.steps);
    const [root] = mounts;
    steps.push(
      root === undefined
        ? { op: 'attach_at', mount: made.out, at: NONE, path: '/' }
        : { op: 'attach', mount: made.out, root, path: mount.target, create: CREATE.folder },
    );
    steps.push(...lower.map((slot): Step => ({ op: 'close', slot })));
    mounts.push(made.out);
  });
  const root = mounts[0] ?? NONE;
  const binds = recipe.binds.map((bind) => ({ bind, slot: slots.take() }));
  for (const { bind, slot } of binds) {
    opened.push(
      { op: 'clone_mount', out: slot, at: NONE, path: bind.source, recursive: 0 },
      { op: 'set_mount', mount: slot, recursive: 0, set: bind.attributes, clear: 0, propagation: 0 },
    );
    steps.push({ op: 'attach', mount: slot, root, path: bind.target, create: bind.kind === 'file' ? CREATE.file : CREATE.folder });
  }
  return { staging, root, mounts, steps: [...opened, make, stage, ...steps] };
}

const STAGING_BYTES = 1024 * 1024;
const O_DIRECTORY = process.arch === 'arm64' ? 0o40000 : 0o200000;

function openFolder(out: Slot, path: string): Step {
  return { op: 'open', out, at: NONE, path, flags: O_PATH | O_DIRECTORY, mode: 0 };
}

interface Place {
  readonly index: number;
  readonly lower: readonly Slot[];
  readonly staging: Slot;
  /** Where upper and work are. */
  readonly place: Slot;
  readonly disk: boolean;
  take(): Slot;
}

function overlaySteps(mount: OverlayRecipe, { index, lower, staging, place, disk, take }: Place): { steps: Step[]; out: Slot } {
  const [upper, work, out] = [take(), take(), take()];
  const cover = mount.cover.length === 0 ? null : take();
  const { mode, uid, gid } = mount.root;
  return {
    out,
    steps: [
      ...(cover === null ? [] : coverSteps(mount, { tmpfs: staging, name: `cover${index}`, out: cover })),
      { op: 'mkdir', out: upper, root: place, path: `upper${index}`, mode, uid, gid },
      { op: 'mkdir', out: work, root: place, path: `work${index}`, mode: 0o700, uid: 0, gid: 0 },
      {
        op: 'overlay',
        out,
        lower: cover === null ? lower : [cover, ...lower],
        upper,
        work,
        options: overlayOptions({ volatile: disk }),
        attributes: mount.attributes,
      },
      ...[upper, work, ...(cover === null ? [] : [cover])].map((slot): Step => ({ op: 'close', slot })),
    ],
  };
}

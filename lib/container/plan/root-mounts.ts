import { CREATE, O_PATH, PROPAGATION } from '../../plan/constants.js';
import { overlayOptions } from '../../plan/overlay-options.js';
import { ANYWHERE, NONE } from '../../plan/plan.js';
import { MOUNT_ATTR } from '../../plan/recipe.js';
import type { Slot, Step } from '../../plan/steps.js';
import type { PlanInput } from './plan-input.js';
import { type Staging, upperFolders } from './staging.js';

export interface RootPlan {
  readonly steps: readonly Step[];
  /** The mount that becomes the root. */
  readonly root: Slot;
  /** Mounts that are made read-only when everything is in place. */
  readonly mounts: readonly Slot[];
  /** The folders that hold the changes, one for each mount; Node gets them where `keepsUppers` is set. */
  readonly uppers: readonly Slot[];
}

/**
 * Where the staging tmpfs is mounted until the old root goes, and takes it along: kernels before 6.15 want the layers of
 * an overlay attached somewhere. Not over '/', where detaching would take a second wait for all processors.
 */
const STAGING = '/sys';

/** Steps that make the root. It is mounted over '/': there no path leads to it, and the process's own root is still the one below. */
export function planRoot(
  { slots, root: source, park: keepsUppers, options }: Pick<PlanInput, 'slots' | 'root' | 'park' | 'options'>,
  staging: Staging,
): RootPlan {
  const stage: Step = { op: 'attach_at', mount: staging.slot, at: NONE, path: STAGING };
  if (source.type === 'folder') {
    const root = slots.take();
    return {
      root,
      mounts: [root],
      uppers: [],
      steps: [
        { op: 'clone_mount', out: root, at: NONE, path: source.path, recursive: 1 },
        // device nodes work only in /dev, where we made them
        { op: 'set_mount', mount: root, recursive: 1, set: MOUNT_ATTR.NODEV, clear: 0, propagation: PROPAGATION.private },
        ...(options.readOnly ? readOnlyBelow(root) : []),
        stage,
        { op: 'attach_at', mount: root, at: NONE, path: '/' },
      ],
    };
  }

  const { recipe, disk } = source;
  const opened: Step[] = [];
  const place = disk === null ? NONE : slots.take();
  if (disk !== null) opened.push(openFolder(place, disk));
  const steps: Step[] = [];
  const mounts: Slot[] = [];
  const uppers: Slot[] = [];
  recipe.mounts.forEach((mount, index) => {
    const { cover, folders } = staging.layers[index] ?? { cover: null, folders: null };
    const lower = mount.lower.map((path) => {
      const slot = slots.take();
      opened.push(openFolder(slot, path));
      return slot;
    });
    const { upper, work, steps: made } = folders ?? upperFolders(mount, index, { place, slots });
    const out = slots.take();
    const [root] = mounts;
    const layers = cover === null ? lower : [cover, ...lower];
    steps.push(
      ...(folders === null ? made : []),
      {
        op: 'overlay',
        out,
        lower: layers,
        upper,
        work,
        options: overlayOptions({ volatile: disk !== null }),
        attributes: mount.attributes,
      },
      root === undefined
        ? { op: 'attach_at', mount: out, at: NONE, path: '/' }
        : { op: 'attach', mount: out, root, path: mount.target, create: CREATE.folder, ...ANYWHERE },
      ...(keepsUppers ? [{ op: 'give', slot: upper } as const] : []),
      ...[upper, work, ...layers].map((slot): Step => ({ op: 'close', slot })),
    );
    mounts.push(out);
    if (keepsUppers) uppers.push(upper);
  });
  const root = mounts[0] ?? NONE;
  const binds = recipe.binds.map((bind) => ({ bind, slot: slots.take() }));
  for (const { bind, slot } of binds) {
    opened.push(
      { op: 'clone_mount', out: slot, at: NONE, path: bind.source, recursive: 0 },
      { op: 'set_mount', mount: slot, recursive: 0, set: bind.attributes, clear: 0, propagation: 0 },
    );
    const create = bind.kind === 'file' ? CREATE.file : CREATE.folder;
    steps.push({ op: 'attach', mount: slot, root, path: bind.target, create, ...ANYWHERE });
  }
  return { root, mounts, uppers, steps: [...opened, stage, ...steps] };
}

/** Makes the mounts below this one read-only now: later they could not be told from the container's own mounts. */
function readOnlyBelow(mount: Slot): Step[] {
  return [
    { op: 'set_mount', mount, recursive: 1, set: MOUNT_ATTR.RDONLY, clear: 0, propagation: 0 },
    { op: 'set_mount', mount, recursive: 0, set: 0, clear: MOUNT_ATTR.RDONLY, propagation: 0 },
  ];
}

const O_DIRECTORY = process.arch === 'arm64' ? 0o40000 : 0o200000;

function openFolder(out: Slot, path: string): Step {
  return { op: 'open', out, at: NONE, path, flags: O_PATH | O_DIRECTORY, mode: 0 };
}

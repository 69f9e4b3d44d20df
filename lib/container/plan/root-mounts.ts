import { CREATE, O_PATH, PROPAGATION } from '../../plan/constants.js';
import { overlayOptions } from '../../plan/overlay-options.js';
import { ANYWHERE, NONE, type Slots } from '../../plan/plan.js';
import { MOUNT_ATTR, type RootRecipe } from '../../plan/recipe.js';
import { planBind } from '../../plan/recipe-view.js';
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
    const root = source.bound === null ? slots.take() : slots.give(source.bound);
    return {
      root,
      mounts: [root],
      uppers: [],
      steps: [
        ...(source.bound === null ? [{ op: 'clone_mount', out: root, at: NONE, path: source.path, recursive: 1 } as const] : []),
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
    const layers = [...(cover?.layers ?? []), ...lower];
    opened.push(...(cover?.open ?? []));
    steps.push(
      ...(folders === null ? made : []),
      ...(cover?.copy ?? []),
      {
        op: 'overlay',
        out,
        lower: layers,
        upper,
        work,
        options: overlayOptions({ volatile: disk !== null, userxattr: recipe.userxattr }),
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
  const binds = planBinds(recipe, { slots, root, tmpfs: staging.slot });
  return { root, mounts, uppers, steps: [...opened, ...binds.open, stage, ...steps, ...binds.attach] };
}

/** What is kept of the run before: its mount namespace, and the mounts of its root there. */
export interface RunBefore {
  readonly mountNamespace: Slot;
  readonly user: Slot;
  readonly users: Slot;
  readonly roots: readonly Slot[];
  /** A socket in its network namespace; or NONE. */
  readonly network: Slot;
}

/**
 * Steps that make the root of another run: that of the run before, with its changes. A root that is a folder is the same folder again, for
 * its changes are in it.
 */
export function planRootAgain(
  input: Pick<PlanInput, 'slots' | 'root' | 'park' | 'options'>,
  staging: Staging,
  { mountNamespace: ns, roots }: RunBefore,
): RootPlan {
  const { root: source } = input;
  if (source.type === 'folder') return planRoot(input, staging);
  const { recipe } = source;
  const binds = planBinds(recipe, { slots: input.slots, root: roots[0] ?? NONE, tmpfs: staging.slot });
  const steps = roots.flatMap((slot, index): Step[] => [
    // its changes may need folders to be mounted on, also where it is read-only for the program
    { op: 'set_mount', mount: slot, recursive: 0, set: 0, clear: MOUNT_ATTR.RDONLY, propagation: 0 },
    index === 0
      ? { op: 'attach_at', mount: slot, at: NONE, path: '/' }
      : { op: 'attach', mount: slot, root: roots[0] ?? NONE, path: recipe.mounts[index]?.target ?? '', create: CREATE.folder, ...ANYWHERE },
  ]);
  return {
    root: roots[0] ?? NONE,
    mounts: roots,
    uppers: [],
    steps: [
      ...binds.open,
      ...roots.map((slot): Step => ({ op: 'clone_mount_of', out: slot, mount: slot, ns })),
      { op: 'attach_at', mount: staging.slot, at: NONE, path: STAGING },
      ...steps,
      ...binds.attach,
    ],
  };
}

/** Parts of the host that an image shows as they are. */
function planBinds(
  { binds, userxattr }: RootRecipe,
  { slots, root, tmpfs }: { slots: Slots; root: Slot; tmpfs: Slot },
): { open: Step[]; attach: Step[] } {
  const [open, attach]: [Step[], Step[]] = [[], []];
  for (const bind of binds) {
    const made = planBind(bind, { slots, tmpfs, name: 'bind', userxattr });
    open.push(...made.open);
    const create = bind.kind === 'file' ? CREATE.file : CREATE.folder;
    attach.push(...made.make, { op: 'attach', mount: made.out, root, path: bind.target, create, ...ANYWHERE });
  }
  return { open, attach };
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

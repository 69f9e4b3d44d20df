import { constants } from 'node:fs';
import { CREATE, O_PATH, PROPAGATION } from './constants.js';
import { planCover } from './cover.js';
import { overlayOptions } from './overlay-options.js';
import { ANYWHERE, NONE, type Slots } from './plan.js';
import { type BindRecipe, MOUNT_ATTR, type OverlayRecipe, type RootRecipe } from './recipe.js';
import type { Slot, Step } from './steps.js';

/** The mounts of a root recipe, none of which can be written to. */
export interface RecipeView {
  /** Steps that open what is the host's: to be run while the host's paths can be seen. */
  readonly open: readonly Step[];
  readonly make: readonly Step[];
  /** The mount of the recipe's '/', which the caller attaches. */
  readonly root: Slot;
  /** Steps that mount the rest below it, to be run when it is attached: before Linux 6.15 nothing can be mounted on a detached mount. */
  readonly below: readonly Step[];
}

/** Where the view is made: `tmpfs` is attached and can be written to, and nothing there is called `name` yet. */
interface Place {
  readonly slots: Slots;
  readonly tmpfs: Slot;
  readonly name: string;
  /** MOUNT_ATTR_* beside those of the recipe. */
  readonly attributes?: number;
}

/** Steps that mount a recipe to be looked at. */
export function viewOf({ mounts, binds, userxattr }: RootRecipe, { slots, tmpfs, name, attributes = 0 }: Place): RecipeView {
  const [open, make, below]: [Step[], Step[], Step[]] = [[], [], []];
  const always = MOUNT_ATTR.RDONLY | attributes;
  const made = mounts.map((mount, index) => {
    const layers = overlaySteps(mount, { slots, tmpfs, name: `${name}-${index}`, attributes: always, userxattr });
    open.push(...layers.open);
    make.push(...layers.make);
    return { target: mount.target, out: layers.out };
  });
  const [root = NONE] = made.map(({ out }) => out);
  for (const { target, out } of made.slice(1)) {
    below.push({ op: 'attach', mount: out, root, path: target, create: CREATE.no, ...ANYWHERE });
  }
  for (const bind of binds) {
    const { out, ...made } = planBind({ ...bind, attributes: bind.attributes | always }, { slots, tmpfs, name, userxattr });
    open.push(...made.open);
    make.push(...made.make);
    below.push({ op: 'attach', mount: out, root, path: bind.target, create: CREATE.no, ...ANYWHERE });
  }
  return { open, make, root, below };
}

/** A part of the host that is shown as it is, and in which nothing of the host is mounted later. */
export interface BindPlan {
  readonly out: Slot;
  /** Steps that open what is the host's: to be run while the host's paths can be seen. */
  readonly open: readonly Step[];
  readonly make: readonly Step[];
}

export function planBind(
  { source, recursive: whole, attributes, sealed }: BindRecipe,
  { slots, tmpfs, name, userxattr }: Omit<Required<Place>, 'attributes'> & Pick<RootRecipe, 'userxattr'>,
): BindPlan {
  const out = slots.take();
  if (!sealed) {
    const recursive = whole ? 1 : 0;
    const clone: Step = { op: 'clone_mount', out, at: NONE, path: source, recursive };
    const set: Step = { op: 'set_mount', mount: out, recursive, set: attributes, clear: 0, propagation: PROPAGATION.private };
    return { out, open: [clone, set], make: [] };
  }
  const lower = [slots.take(), slots.take()] as const;
  return {
    out,
    open: [{ op: 'open', out: lower[0], at: NONE, path: source, flags: O_PATH | constants.O_DIRECTORY, mode: 0 }],
    make: [
      { op: 'mkdir', out: lower[1], root: tmpfs, path: `${name}-empty`, mode: 0o755, uid: 0, gid: 0 },
      { op: 'overlay', out, lower, upper: NONE, work: NONE, options: overlayOptions({ userxattr }), attributes },
      ...lower.map((slot): Step => ({ op: 'close', slot })),
    ],
  };
}

/**
 * An overlay without an upper needs two layers at least. The covering layer is always one of them, so that an image of one layer is shown
 * by overlayfs too, which hides whiteouts.
 */
function overlaySteps(
  mount: OverlayRecipe,
  { slots, tmpfs, name, attributes, userxattr }: Required<Place> & Pick<RootRecipe, 'userxattr'>,
): { open: Step[]; make: Step[]; out: Slot } {
  const lower = mount.lower.map((path) => ({ slot: slots.take(), path }));
  const cover = planCover(mount, { tmpfs, name, slots, userxattr });
  const out = slots.take();
  const covered = [...cover.layers, ...lower.map(({ slot }) => slot)];
  const bottom = covered.length > 1 ? [] : [slots.take()];
  const layers = [...covered, ...bottom];
  return {
    out,
    open: [
      ...lower.map(({ slot, path }): Step => ({ op: 'open', out: slot, at: NONE, path, flags: O_PATH | constants.O_DIRECTORY, mode: 0 })),
      ...cover.open,
    ],
    make: [
      ...cover.make,
      ...bottom.map((slot): Step => ({ op: 'mkdir', out: slot, root: tmpfs, path: `${name}-bottom`, mode: 0o755, uid: 0, gid: 0 })),
      ...cover.copy,
      {
        op: 'overlay',
        out,
        lower: layers,
        upper: NONE,
        work: NONE,
        options: overlayOptions({ userxattr }),
        attributes: mount.attributes | attributes,
      },
      ...layers.map((slot): Step => ({ op: 'close', slot })),
    ],
  };
}

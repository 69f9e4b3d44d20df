import { constants } from 'node:fs';
import { confinedStage, READING } from '../plan/confined-worker.js';
import { CLONE, O_PATH, PROPAGATION } from '../plan/constants.js';
import { NONE, type Plan, planOf, Slots } from '../plan/plan.js';
import { MOUNT_ATTR, type RootRecipe } from '../plan/recipe.js';
import { viewOf } from '../plan/recipe-view.js';
import type { Slot, Step } from '../plan/steps.js';

/** A root in which there are trees. */
export type TreeRoot =
  | { readonly type: 'recipe'; readonly recipe: RootRecipe }
  /** A folder of the host, by its absolute path. */
  | { readonly type: 'folder'; readonly path: string };

/** A folder with all that is in it. */
export interface Tree {
  readonly root: TreeRoot;
  /** Absolute, below the root: none of its links leads out of the root. */
  readonly path: string;
  /** 'contents': without an entry of the folder itself. Default 'tree'. */
  readonly form?: 'tree' | 'contents' | undefined;
}

const NAMESPACES = CLONE.mnt | CLONE.pid | CLONE.net | CLONE.ipc | CLONE.uts | CLONE.cgroup;

/** Where the root is mounted in this process's own mount namespace, on the tmpfs that has covering layers. */
const PLACE = '/sys';

/**
 * The plan of a process that packs a tree as a tar. Others wrote what is in the tree: so the process sees nothing of the host but the tree,
 * and may do nothing but read it. All that is mounted for it is read-only, and goes with the old root.
 *
 * @param output a descriptor of the pipe that takes the tar
 */
export function packPlan({ root: source, path, form = 'tree' }: Tree, output: number): { plan: Plan; slots: Slots } {
  const slots = new Slots();
  const out = slots.give(output);
  const [top, empty] = [slots.take(), slots.take()];
  const root = source.type === 'folder' ? folderSteps(source.path, slots) : recipeSteps(source.recipe, slots);
  const stage = confinedStage({
    namespaces: NAMESPACES,
    enter: [
      { op: 'set_propagation', path: '/', propagation: PROPAGATION.private },
      ...root.steps,
      { op: 'open_in_root', out: top, root: root.mount, path, flags: O_PATH | constants.O_DIRECTORY },
      { op: 'filesystem', out: empty, type: 'tmpfs', options: ['size=4096', 'mode=555'], attributes: MOUNT_ATTR.RDONLY },
      { op: 'attach_at', mount: empty, at: NONE, path: '/' },
      { op: 'pivot', root: empty, between: 0 },
    ],
    capabilities: READING,
    work: { op: 'pack', upper: top, lower: [], output: out, options: [`form=${form}`] },
    output: out,
  });
  return { plan: planOf({ stages: [stage] }), slots };
}

interface MountedRoot {
  readonly mount: Slot;
  readonly steps: readonly Step[];
}

function folderSteps(path: string, slots: Slots): MountedRoot {
  const mount = slots.take();
  const set = MOUNT_ATTR.RDONLY | MOUNT_ATTR.NODEV;
  return {
    mount,
    steps: [
      { op: 'clone_mount', out: mount, at: NONE, path, recursive: 1 },
      { op: 'set_mount', mount, recursive: 1, set, clear: 0, propagation: PROPAGATION.private },
      { op: 'attach_at', mount, at: NONE, path: PLACE },
    ],
  };
}

function recipeSteps(recipe: RootRecipe, slots: Slots): MountedRoot {
  const tmpfs = slots.take();
  const view = viewOf(recipe, { slots, tmpfs, name: 'cover' });
  return {
    mount: view.root,
    steps: [
      { op: 'filesystem', out: tmpfs, type: 'tmpfs', options: ['mode=700'], attributes: MOUNT_ATTR.NODEV },
      ...view.open,
      { op: 'attach_at', mount: tmpfs, at: NONE, path: PLACE },
      ...view.make,
      { op: 'attach_at', mount: view.root, at: NONE, path: PLACE },
      ...view.below,
    ],
  };
}

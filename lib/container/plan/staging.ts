import { type Cover, planCover } from '../../plan/cover.js';
import type { Slots } from '../../plan/plan.js';
import { MOUNT_ATTR, type OverlayRecipe } from '../../plan/recipe.js';
import type { Slot, Step } from '../../plan/steps.js';
import type { HeadInput } from './plan-input.js';

/** A tmpfs of the container's that no path inside leads to: a file in it is seen only at the place where it is bound. */
export interface Staging {
  readonly slot: Slot;
  /** Steps that read nothing of the host. */
  readonly steps: readonly Step[];
  /** For each mount of the recipe: the layers that hide files, and the upper and work folders when they are on this tmpfs. */
  readonly layers: readonly { readonly cover: Cover | null; readonly folders: UpperFolders | null }[];
}

export interface UpperFolders {
  readonly upper: Slot;
  readonly work: Slot;
  readonly steps: readonly Step[];
}

/** The size of a staging tmpfs without an upper: it holds only a few files of the container's own. */
const BYTES = 1024 * 1024;
const PAGE = 64 * 1024;

export function planStaging({
  slots,
  root: source,
  options,
}: Pick<HeadInput, 'slots' | 'root'> & { readonly options: Pick<HeadInput['options'], 'files'> }): Staging {
  const slot = slots.take();
  const recipe = source.type === 'recipe' ? source : null;
  const { mounts, userxattr } = recipe?.recipe ?? { mounts: [], userxattr: false };
  const size =
    (recipe?.disk === null ? recipe.upperSize : BYTES) +
    mounts.reduce((sum, mount) => sum + copiedBytes(mount), 0) +
    ownBytes(options.files);
  const layers = mounts.map((mount, index) => ({
    cover:
      mount.cover.length === 0 && mount.lower.length > 0
        ? null
        : planCover(mount, { tmpfs: slot, name: `cover${index}`, slots, userxattr }),
    folders: recipe?.disk === null ? upperFolders(mount, index, { place: slot, slots }) : null,
  }));
  return {
    slot,
    layers,
    steps: [
      { op: 'filesystem', out: slot, type: 'tmpfs', options: [`size=${size}`, 'mode=755'], attributes: MOUNT_ATTR.NODEV },
      ...layers.flatMap(({ cover, folders }) => [...(cover?.make ?? []), ...(folders?.steps ?? [])]),
    ],
  };
}

/** The memory that the container's own files take. */
function ownBytes(files: HeadInput['options']['files']): number {
  return files.reduce((sum, { content }) => sum + Math.ceil(content.length / PAGE) * PAGE, 0);
}

/** The memory that copies of files take, which is not the container's to use. A page is at most 64 KiB. */
function copiedBytes({ cover }: OverlayRecipe): number {
  return cover.reduce((sum, entry) => sum + (entry.kind === 'file' ? Math.ceil(entry.size / PAGE) * PAGE : 0), 0);
}

/** The writable layer of a mount: overlayfs shows the owner and mode of the upper's root. */
export function upperFolders(mount: OverlayRecipe, index: number, { place, slots }: { place: Slot; slots: Slots }): UpperFolders {
  const [upper, work] = [slots.take(), slots.take()];
  const { mode, uid, gid } = mount.root;
  return {
    upper,
    work,
    steps: [
      { op: 'mkdir', out: upper, root: place, path: `upper${index}`, mode, uid, gid },
      { op: 'mkdir', out: work, root: place, path: `work${index}`, mode: 0o700, uid: 0, gid: 0 },
    ],
  };
}

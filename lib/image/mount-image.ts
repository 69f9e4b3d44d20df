import { UnsupportedError } from '../errors.js';
import { OverlayFs } from '../filesystem/overlay-fs.js';
import type { RootRecipe } from '../plan/recipe.js';
import type { UsedImage } from './layers/used-layers.js';

/**
 * Mounts a root, and releases it when the mount is gone or can't be made.
 *
 * @throws UnsupportedError for a root of several mounts; as `OverlayFs.mount`
 */
export async function mountImage({ recipe, release }: UsedImage, readOnly: boolean, reference: string | null): Promise<OverlayFs> {
  const lower = onlyOverlay(recipe);
  if (lower) return OverlayFs.mountImage(lower, { readOnly, release });
  release();
  const reason = 'its root is made of many mounts, of which each container has its own';
  throw new UnsupportedError(
    `mount ${reference}`,
    reason,
    'Give it to a container as its image, or mount the folders that are wanted by OverlayFs.mount.',
  );
}

/** The folders of a root that is one overlay of them and no more, the topmost first; else `null`. */
function onlyOverlay({ mounts, binds }: RootRecipe): readonly string[] | null {
  const [root, ...others] = mounts;
  return root && others.length === 0 && binds.length === 0 && root.cover.length === 0 ? root.lower : null;
}

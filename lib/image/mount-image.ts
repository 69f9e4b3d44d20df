import { UnsupportedError } from '../errors.js';
import { OverlayFs } from '../filesystem/overlay-fs.js';
import type { RootRecipe } from '../plan/recipe.js';
import type { UsedImage } from './layers/used-layers.js';

export interface MountSettings {
  readonly readOnly: boolean;
  readonly reference: string | null;
  readonly signal: AbortSignal | undefined;
}

/**
 * Mounts a root, and releases it when the mount is gone or can't be made. After an abort there is no mount.
 *
 * @throws UnsupportedError for a root of several mounts; as `OverlayFs.mount`; the signal's reason
 */
export async function mountImage({ recipe, release }: UsedImage, { readOnly, reference, signal }: MountSettings): Promise<OverlayFs> {
  const lower = onlyOverlay(recipe);
  if (lower) return unlessAborted(await OverlayFs.mountImage(lower, { readOnly, release }), signal);
  release();
  const reason = 'its root is made of many mounts, of which each container has its own';
  throw new UnsupportedError(
    `mount ${reference}`,
    reason,
    'Give it to a container as its image, or mount the folders that are wanted by OverlayFs.mount.',
  );
}

async function unlessAborted(mount: OverlayFs, signal: AbortSignal | undefined): Promise<OverlayFs> {
  if (!signal?.aborted) return mount;
  // a failure says what is left, which counts more than the reason
  await mount.unmount();
  throw signal.reason;
}

/** The folders of a root that is one overlay of them and no more, the topmost first; else `null`. */
function onlyOverlay({ mounts, binds }: RootRecipe): readonly string[] | null {
  const [root, ...others] = mounts;
  return root && others.length === 0 && binds.length === 0 && root.cover.length === 0 ? root.lower : null;
}

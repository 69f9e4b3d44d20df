import { OverlayFs } from '../../filesystem/overlay-fs.js';
import { mounter, privilege } from '../../host/privilege.js';
import type { Image } from '../../image/image.js';
import type { OpenFolder } from '../../store/temporary-folder.js';

/**
 * Mounts an image until it is closed.
 *
 * @param options.readOnly `false`: what is written is gone when it is closed
 * @throws what using the image and mounting throw; the reason of `signal`
 */
export async function openImageRoot(
  image: Image,
  { readOnly, signal }: { readonly readOnly: boolean; readonly signal: AbortSignal | undefined },
): Promise<OpenFolder> {
  const used = await image.use({ signal, mounter: mounter(privilege()) });
  try {
    const [root] = used.recipe.mounts;
    const overlay = await OverlayFs.mount({ lower: root?.lower ?? [], readOnly });
    const close = async (): Promise<void> => {
      try {
        await overlay.unmount();
      } finally {
        used.release();
      }
    };
    return { path: overlay.path, close };
  } catch (error) {
    used.release();
    throw error;
  }
}

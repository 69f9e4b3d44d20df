import type { Image } from '../../image/image.js';
import type { OpenFolder } from '../../store/temporary-folder.js';

/**
 * Mounts an image until it is closed.
 *
 * @param options.readOnly `false`: what is written is gone when it is closed
 * @throws what {@link Image.mount} throws; the reason of `signal`
 */
export async function openImageRoot(
  image: Image,
  { readOnly, signal }: { readonly readOnly: boolean; readonly signal: AbortSignal | undefined },
): Promise<OpenFolder> {
  const overlay = await image.mount({ readOnly, cancelSignal: signal });
  return { path: overlay.path, close: () => overlay.unmount() };
}

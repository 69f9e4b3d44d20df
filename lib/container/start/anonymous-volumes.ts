import { ImageError } from '../../errors.js';
import type { ParsedMount } from '../options/mount-flags.js';
import { isMountedOver, tidied } from '../options/mount-target.js';

/** The most volumes that are accepted, for each is a mount. No real image has so many. */
const MOST = 256;

/**
 * Volumes without a name, which go with the container: folders that an image declares, and the caller's. Tidied, parents before children,
 * without those that the caller mounts something on, or above.
 *
 * @throws ImageError for what can't be a volume
 */
export function anonymousVolumes(volumes: readonly string[], mounts: readonly Pick<ParsedMount, 'target'>[]): string[] {
  const paths = volumes.map((volume) => {
    const path = tidied(volume);
    if (!volume.startsWith('/') || path === '/' || volume.includes('\0'))
      throw new ImageError(`the image declares the volume ${JSON.stringify(volume)}, which is no absolute path of a folder below '/'`);
    return path;
  });
  const free = [...new Set(paths)].filter((path) => !isMountedOver(path, mounts)).sort();
  if (free.length > MOST) throw new ImageError(`the image declares ${free.length} volumes; more than ${MOST} are not mounted`);
  return free;
}

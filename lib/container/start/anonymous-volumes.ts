import { ImageError, NacelleError } from '../../errors.js';
import { isWithin } from '../../host/mountinfo.js';
import type { ParsedMount } from '../options/mount-flags.js';
import { tidied } from '../options/tidied.js';

/** The most volumes that are accepted, for each is a mount. No real image has so many. */
const MOST = 256;

/**
 * Volumes without a name, which go with the container: folders that an image declares, and the caller's. Tidied, parents before children,
 * without those that the caller mounts something on.
 *
 * @throws ImageError for what can't be a volume; NacelleError `ERR_INVALID_OPTION` for one in a mount that is shared with the host
 */
export function anonymousVolumes(volumes: readonly string[], mounts: readonly Pick<ParsedMount, 'target' | 'propagation'>[]): string[] {
  const paths = volumes.map((volume) => {
    const path = tidied(volume);
    if (!volume.startsWith('/') || path === '/' || volume.includes('\0'))
      throw new ImageError(`the image declares the volume ${JSON.stringify(volume)}, which is no absolute path of a folder below '/'`);
    return path;
  });
  const free = [...new Set(paths)].filter((path) => mounts.every(({ target }) => target !== path)).sort();
  for (const path of free) refuseShared(path, mounts);
  if (free.length > MOST) throw new ImageError(`the image declares ${free.length} volumes; more than ${MOST} are not mounted`);
  return free;
}

/** What is mounted in a mount that the host shares is mounted on the host too, and an image must not do that. */
function refuseShared(path: string, mounts: Parameters<typeof anonymousVolumes>[1]): void {
  const [holder] = mounts.filter(({ target }) => isWithin(path, target)).sort((a, b) => b.target.length - a.target.length);
  if (!holder?.propagation.endsWith('shared')) return;
  const problem = `the mount on ${holder.target} is shared with the host, and so would be the volume ${path} in it`;
  throw new NacelleError(`${problem}: mount something on ${path}`, { code: 'ERR_INVALID_OPTION' });
}

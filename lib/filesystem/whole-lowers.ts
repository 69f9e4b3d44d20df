import { readFileSync, realpathSync } from 'node:fs';
import { UnsupportedError } from '../errors.js';
import { isWithin, parseMountInfo } from '../host/mountinfo.js';
import { attempt } from '../native/system-errors.js';

/**
 * Refuses lower folders that an ordinary user's overlay can't have. The overlay would show what the mounts below such a folder hide, which nobody
 * may uncover in a user namespace (mount_namespaces(7), "locked mounts"); the kernel says EINVAL to that, as to much else.
 *
 * @throws UnsupportedError that names the folder and a mount; SyscallError for a folder that is missing
 */
export function requireWhole(lower: readonly string[]): void {
  const mounts = parseMountInfo(attempt('read the mounts', () => readFileSync('/proc/self/mountinfo', 'utf8')));
  for (const path of lower) {
    const folder = attempt(`look up ${path} for lower`, () => realpathSync(path));
    const below = mounts.find(({ mountPoint }) => mountPoint !== folder && isWithin(mountPoint, folder));
    if (below === undefined) continue;
    const reason = `without root nothing may be mounted below it, as ${below.mountPoint} is`;
    throw new UnsupportedError(`the lower folder ${path} of an OverlayFs`, reason, 'Take a folder below it, or run as root.');
  }
}

import type { BundleDevice } from '../../oci-config/config-schema.js';
import { S_IFBLK, S_IFCHR, S_IFIFO } from '../../plan/constants.js';

/** What mknod(2) and chown(2) take for a device. */
export interface DeviceNode {
  readonly mode: number;
  readonly major: number;
  readonly minor: number;
  readonly uid: number;
  readonly gid: number;
}

export function nodeOf({ type, major = 0, minor = 0, fileMode = 0o666, uid = 0, gid = 0 }: BundleDevice): DeviceNode {
  const kind = type === 'p' ? S_IFIFO : type === 'b' ? S_IFBLK : S_IFCHR;
  return { mode: kind | fileMode, major, minor, uid, gid };
}

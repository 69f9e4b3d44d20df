import { UnsupportedError } from '../errors.js';
import { type Feature, lacking } from './feature.js';

/**
 * Whether a folder on disk can be given a size of its own. The means for that, project quotas (quotactl(2), ext4 and xfs), bind only who
 * can't change the project of a file: FS_IOC_FSSETXATTR lets every owner of a file do so outside a user namespace, and a container has
 * none of its own yet. A limit that a program can leave is none.
 */
export const folderQuota: Feature = lacking(
  'a program without a user namespace of its own can take its files out of a project quota',
  "Use upper: 'tmpfs' with upperSize, a tmpfs, or a bind of a folder on a file system of its own.",
);

/** @throws UnsupportedError */
export function refuseFolderSize(what: string): never {
  throw new UnsupportedError(what, folderQuota.reason ?? '', folderQuota.fix);
}

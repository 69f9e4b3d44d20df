import { CREATE } from '../../plan/constants.js';
import { MOUNT_ATTR } from '../../plan/recipe.js';
import { defaultDeviceLinks, defaultDevices, defaultMaskedPaths, defaultReadonlyPaths } from '../../security/paths.js';
import type { ParsedOptions } from '../options/container-options.js';
import { DEV, type FileRow, type MountRow, type MountTable, PROC } from './mount-table.js';

const { RDONLY, NOSUID, NODEV, NOEXEC } = MOUNT_ATTR;
const QUIET = NOSUID | NODEV | NOEXEC;
/** Makes a missing folder, and refuses a link that the image has there. */
const FOLDER = CREATE.folder | CREATE.noLink;
/** Limits the number of files: each costs memory by its name too, and time when the file system goes. */
const NAMES = 'nr_inodes=16384';

const proc: MountRow = { target: PROC, type: 'proc', attributes: QUIET, create: FOLDER };
/** Much of what /sys shows is the host's, so it is read-only. */
const sys: MountRow = { target: '/sys', type: 'sysfs', options: [], attributes: QUIET | RDONLY, create: FOLDER };
const groups: MountRow = { target: '/sys/fs/cgroup', type: 'cgroup2', options: [], attributes: QUIET | RDONLY, create: CREATE.no };
/** The few devices of security.md. */
const dev: MountRow = {
  target: DEV,
  type: 'tmpfs',
  options: ['mode=755', 'size=65536k', NAMES],
  attributes: NOSUID,
  create: FOLDER,
  devices: defaultDevices,
  links: defaultDeviceLinks,
};
const pts: MountRow = {
  target: '/dev/pts',
  type: 'devpts',
  options: ['newinstance', 'ptmxmode=0666', 'mode=0620', 'gid=5'],
  attributes: NOSUID | NOEXEC,
  create: FOLDER,
};
const shm: MountRow = {
  target: '/dev/shm',
  type: 'tmpfs',
  options: ['mode=1777', 'size=65536k', NAMES],
  attributes: QUIET,
  create: FOLDER,
};
/** POSIX shared memory is files in /dev/shm: the host's folder is bound there when the ipc namespace is the host's. */
const hostShm: MountRow = { target: '/dev/shm', type: 'bind', source: '/dev/shm', attributes: 0, create: FOLDER };
const queues: MountRow = { target: '/dev/mqueue', type: 'mqueue', options: [], attributes: QUIET, create: FOLDER };

/** Contents for /etc. */
export interface EtcFiles {
  readonly hosts: string;
  readonly hostname: string;
  readonly resolvConf: string;
}

/** What the default table depends on. */
export interface TableInput {
  readonly options: Pick<ParsedOptions, 'namespaces' | 'mounts' | 'readOnly' | 'maskedPaths' | 'readonlyPaths'>;
  /** The machine has control groups v2 alone. */
  readonly unified: boolean;
  readonly files: EtcFiles;
}

/** The table of a container that root runs. */
export function defaultMounts({ options, unified, files }: TableInput): MountTable {
  const { namespaces, mounts, readOnly, maskedPaths, readonlyPaths } = options;
  const mounted = new Set(mounts.map(({ target }) => target));
  // the files of /etc are read-only when the root is
  const attributes = readOnly ? RDONLY : 0;
  const etc: FileRow[] = [
    { target: '/etc/hosts', content: files.hosts, attributes },
    { target: '/etc/hostname', content: files.hostname, attributes },
    { target: '/etc/resolv.conf', content: files.resolvConf, attributes },
  ];
  return {
    mounts: [proc, sys, ...(unified ? [groups] : []), dev, pts, namespaces.ipc === 'host' ? hostShm : shm, queues],
    files: etc.filter(({ target }) => !mounted.has(target)),
    maskedPaths: maskedPaths ?? defaultMaskedPaths,
    readonlyPaths: readonlyPaths ?? defaultReadonlyPaths,
  };
}

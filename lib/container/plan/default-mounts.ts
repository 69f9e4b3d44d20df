import { CREATE } from '../../plan/constants.js';
import { MOUNT_ATTR } from '../../plan/recipe.js';
import { idOutside } from '../../plan/user-maps.js';
import { defaultDeviceLinks, defaultDevices, defaultMaskedPaths, defaultReadonlyPaths, maskedPathsForRoot } from '../../security/paths.js';
import type { ParsedOptions } from '../options/container-options.js';
import { DEV, type FileRow, type MountRow, type MountTable, PROC } from './mount-table.js';
import { isMadeInside, type UserNamespacePlan } from './userns.js';

const { RDONLY, NOSUID, NODEV, NOEXEC } = MOUNT_ATTR;
const QUIET = NOSUID | NODEV | NOEXEC;
/** Makes a missing folder, and refuses a link that the image has there. */
const FOLDER = CREATE.folder | CREATE.noLink;
/** Limits the number of files: each costs memory by its name too, and time when the file system goes. */
const NAMES = 'nr_inodes=16384';

const proc: MountRow = { target: PROC, type: 'proc', attributes: QUIET, create: FOLDER };
/**
 * The host's /proc, where no other can be mounted. Read-only, for a program would be the owner of what this user's other processes have there, as
 * their oom_score_adj; it may look into none of them, since they are in other user namespaces.
 */
const hostProc: MountRow = { target: PROC, type: 'bind', source: '/proc', recursive: true, attributes: QUIET | RDONLY, create: FOLDER };
/** Much of what /sys shows is the host's, so it is read-only. */
const sys: MountRow = { target: '/sys', type: 'sysfs', options: [], attributes: QUIET | RDONLY, create: FOLDER };
const hostSys: MountRow = { target: '/sys', type: 'bind', source: '/sys', recursive: true, attributes: QUIET | RDONLY, create: FOLDER };
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
/** In a user namespace nobody may make a device: those of the host are bound, which is of the same use. */
const boundDev: MountRow = { ...dev, devices: [] };
const boundDevices: readonly MountRow[] = defaultDevices.map(({ path }) => bindDevice(path, path));
const pts: MountRow = {
  target: '/dev/pts',
  type: 'devpts',
  options: ['newinstance', 'ptmxmode=0666', 'mode=0620', 'gid=5'],
  attributes: NOSUID | NOEXEC,
  create: FOLDER,
};
/** Where the group tty has no id, terminals belong to the groups of their users. */
const ptsWithoutTty: MountRow = { ...pts, options: pts.options.filter((option) => !option.startsWith('gid=')) };
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

/** Those of these that tell of a container's networks: they are empty until it has joined them. */
export const FILES_OF_NETWORKS: ReadonlySet<string> = new Set(['/etc/hosts', '/etc/resolv.conf']);

/** The group tty, as all distributions have it. */
const TTY = 5;

function bindDevice(source: string, target: string): MountRow {
  return { target, type: 'bind', source, attributes: NOSUID | NOEXEC, create: CREATE.file };
}

/** What the default table depends on. */
export interface TableInput {
  readonly userns: UserNamespacePlan;
  /** Devices of the host that the caller gives, where nobody may make nodes: they are bound. */
  readonly devices: readonly { readonly source: string; readonly path: string }[];
  readonly options: Pick<ParsedOptions, 'namespaces' | 'mounts' | 'readOnly' | 'maskedPaths' | 'readonlyPaths'>;
  /** The container has a /proc of its own. */
  readonly ownProc: boolean;
  /** The machine has control groups v2 alone. */
  readonly unified: boolean;
  readonly files: EtcFiles;
}

export function defaultMounts({ options, ownProc, unified, files, userns, devices }: TableInput): MountTable {
  const { namespaces, mounts, readOnly, maskedPaths, readonlyPaths } = options;
  const mounted = new Set(mounts.map(({ target }) => target));
  // a file system shows a namespace, and is mounted by who owns that: nobody in a user namespace owns the host's. Where that namespace is
  // given, a process outside makes what needs such rights (userns-stages.ts)
  const isForeign = isMadeInside(userns);
  // the files of /etc are read-only when the root is
  const attributes = readOnly ? RDONLY : 0;
  const etc = Object.entries(byTarget(files)).map(([target, content]): FileRow => ({ target, content, attributes }));
  return {
    mounts: [
      ownProc ? proc : hostProc,
      isForeign && namespaces.net === 'host' ? hostSys : sys,
      // the tree of the host is bound with /sys
      ...(unified && !(isForeign && namespaces.net === 'host') ? [groups] : []),
      ...(isForeign ? [boundDev, ...boundDevices, ...devices.map(({ source, path }) => bindDevice(source, path))] : [dev]),
      userns.kind !== 'none' && idOutside(userns.gid, TTY) === null ? ptsWithoutTty : pts,
      namespaces.ipc === 'host' ? hostShm : shm,
      ...(isForeign && namespaces.ipc === 'host' ? [] : [queues]),
    ],
    files: etc.filter(({ target }) => !mounted.has(target)),
    maskedPaths: maskedPaths ?? (userns.kind === 'none' ? [...defaultMaskedPaths, ...maskedPathsForRoot] : defaultMaskedPaths),
    readonlyPaths: readonlyPaths ?? defaultReadonlyPaths,
  };
}

/** Rows of a table whose files of /etc have these contents now. */
export function withContents(rows: readonly FileRow[], files: EtcFiles): FileRow[] {
  const contents = new Map(Object.entries(byTarget(files)));
  return rows.map((row) => ({ ...row, content: contents.get(row.target) ?? row.content }));
}

function byTarget({ hosts, hostname, resolvConf }: EtcFiles): Readonly<Record<string, string>> {
  return { '/etc/hosts': hosts, '/etc/hostname': hostname, '/etc/resolv.conf': resolvConf };
}

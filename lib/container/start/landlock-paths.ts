import { lstatSync, readdirSync, realpathSync, statSync } from 'node:fs';
import { errnoOf, hasCode, invalidOption } from '../../errors.js';
import { HIDDEN } from '../../image/host/host-hidden.js';
import { runtimeDir } from '../../native/runtime-dir.js';
import { nativeError } from '../../native/system-errors.js';
import type { Sockets } from '../../security/landlock-filter.js';
import type { PathAccess, PathRule } from '../../security/landlock-rules.js';
import { type FolderEntry, visiblePaths } from '../../security/visible-paths.js';
import { storeFolder } from '../../store/store-root.js';
import type { ParsedMount } from '../options/container-options.js';

/** Programs and what they are made of. */
const PROGRAMS = ['/usr', '/bin', '/sbin', '/lib', '/lib32', '/lib64', '/libx32', '/opt', '/nix/store', '/gnu/store'];

/** The machine's settings, and what the kernel tells of it: what programs ask for their heaps and threads. */
const SETTINGS = ['/etc', '/proc', '/sys/devices/system', '/sys/fs/cgroup', '/sys/kernel/mm/transparent_hugepage'];

const DEVICES = ['null', 'zero', 'full', 'random', 'urandom'].map((name) => `/dev/${name}`);

/** Where names of hosts are looked up; often a link to a file of systemd's. */
const RESOLVER = '/etc/resolv.conf';

/**
 * What a program under Landlock may reach without being asked for: what the image `host` shows of programs and settings, without what that hides.
 * Reads folders of the host in which something is hidden, and makes nothing.
 */
export function defaultPaths(sockets: Sockets): PathRule[] {
  const hidden = [...HIDDEN, ...storeFolder(), runtimeDir()];
  const shown = (folders: readonly string[], access: PathAccess): PathRule[] => {
    const found = folders.filter(isFolder).map((folder) => visiblePaths(folder, hidden, entriesOf));
    const rule = { access, mayMiss: true };
    return [
      { ...rule, paths: found.flatMap(({ folders }) => folders), isFolder: true },
      { ...rule, paths: found.flatMap(({ files }) => files), isFolder: false },
    ];
  };
  const resolver = sockets === 'none' ? [] : realPathOf(RESOLVER);
  return [
    ...shown(PROGRAMS, 'run'),
    ...shown(SETTINGS, 'read'),
    { paths: DEVICES, isFolder: false, access: 'device', mayMiss: true },
    ...(resolver.length === 0 ? [] : [{ paths: resolver, isFolder: false, access: 'read', mayMiss: true } as const]),
  ];
}

/**
 * The rules of binds.
 *
 * @throws SyscallError for a source that is not there; NacelleError `ERR_INVALID_OPTION` for a device or a socket
 */
export function mountPaths(mounts: readonly ParsedMount[]): PathRule[] {
  return mounts.map(({ target, flags }): PathRule => {
    const status = lookUp(target);
    if (!status.isDirectory() && !status.isFile())
      throw invalidOption('mounts', `${target} is neither a file nor a folder, which is all that isolation: 'landlock' gives`);
    const runs = !flags.has('noexec');
    const access = flags.has('ro') ? (runs ? 'run' : 'read') : runs ? 'write-and-run' : 'write';
    return { paths: [target], isFolder: status.isDirectory(), access, mayMiss: false };
  });
}

function lookUp(path: string) {
  try {
    return statSync(path);
  } catch (cause) {
    const errno = errnoOf(cause);
    if (errno === undefined) throw cause;
    throw nativeError(`look up ${path} for mounts`, 'stat', errno, path);
  }
}

/** None for a user without a home, who has no store either. */
/** A folder itself: a link needs no rule, for what counts is where it leads. */
function isFolder(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}

/** What this user may not list, the program, which has no more rights, may not look into either. */
function entriesOf(folder: string): FolderEntry[] {
  try {
    return readdirSync(folder, { withFileTypes: true }).map((entry) => ({
      name: entry.name,
      type: entry.isDirectory() ? 'folder' : entry.isFile() ? 'file' : 'other',
    }));
  } catch (error) {
    if (hasCode(error, 'EACCES', 'EPERM', 'ENOENT')) return [];
    throw error;
  }
}

function realPathOf(path: string): string[] {
  try {
    return [realpathSync(path)];
  } catch (error) {
    if (hasCode(error, 'EACCES', 'ENOENT', 'ELOOP')) return [];
    throw error;
  }
}

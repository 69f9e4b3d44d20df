import { closeSync, constants, existsSync, fstatSync, openSync, readlinkSync, statSync } from 'node:fs';
import { release } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { readGroupFile } from '../cgroup/files/group-files.js';
import { groupFiles } from '../cgroup/group-probe.js';
import { joinedProc } from '../container/start/joined-proc.js';
import { mapsOf, parseIdMap } from '../container/start/maps-of.js';
import { invalidOption, UnsupportedError } from '../errors.js';
import { inspectGroups } from '../host/cgroup-base.js';
import { deviceFilter } from '../host/device-filter-support.js';
import { isLiving } from '../host/process-identity.js';
import { isNamespaceFile, typeOf } from '../namespace/namespace-files.js';
import { mayMakeIn, mayWriteFile } from '../native/may-write.js';
import { readIfThere } from '../native/read-if-there.js';
import { attempt } from '../native/system-errors.js';
import { limitsOf } from '../oci-config/bundle-limits.js';
import { parseMountOptions } from '../oci-config/bundle-mount-options.js';
import type { BundleConfig, BundleLinux } from '../oci-config/config-schema.js';
import { namespaceTypeOf } from '../oci-config/namespace-names.js';
import { hasOwnMounts } from '../oci-config/refused.js';
import { O_PATH } from '../plan/constants.js';
import type { NamespaceType } from '../plan/namespace-types.js';
import { bundleProfile, listenedProfile } from '../security/oci-profile/bundle-profile.js';
import { compiledProfile } from '../security/oci-profile/compiled-profile.js';
import { ownArchitecture } from '../security/own-architecture.js';
import type { Rights } from './caller/rights.js';
import { joinedMapsOf, joinedUsers, type UserMaps, userMapsOf } from './config/bundle-user-maps.js';
import type { CapabilitySets } from './config/process-facts.js';
import { refusal } from './config/runtime-error.js';
import type { GroupFolder, GroupsRequest, HandedOn } from './plan/bundle-groups.js';
import { kindOf } from './plan/bundle-mounts.js';
import type { LoadedFilter } from './plan/bundle-process.js';
import type { ContainerRecord } from './state/container-state.js';

// What a plan has to know of this machine, found out before anything is made.

/** Where a bundle's root is. @throws SyscallError; NacelleError `ERR_INVALID_OPTION` for what is no folder */
export function rootOf(bundle: string, { root }: BundleConfig): string {
  const path = resolve(bundle, root.path);
  if (!attempt(`look at the root ${path}`, () => statSync(path)).isDirectory()) throw invalidOption('root.path', `${path} is no folder`);
  return path;
}

/** The sources of binds. @throws SyscallError for one that is not there; NacelleError `ERR_INVALID_OPTION` for none */
export function sourcesOf(bundle: string, { mounts }: BundleConfig): Map<number, { readonly path: string; readonly isFile: boolean }> {
  const found = new Map<number, { path: string; isFile: boolean }>();
  for (const [index, { type, source, options, destination }] of mounts.entries()) {
    const { bind, remount } = parseMountOptions(options);
    if (remount || (bind === 'no' && type !== 'bind' && type !== 'none')) continue;
    if (!source) throw invalidOption(`mounts[${index}].source`, 'is missing: a bind needs one');
    const path = resolve(bundle, source);
    found.set(index, { path, isFile: !attempt(`bind ${path} on ${destination}`, () => statSync(path)).isDirectory() });
  }
  return found;
}

/** Opens the namespaces that are joined by path. @throws SyscallError; NacelleError `ERR_INVALID_OPTION` for a path of another type */
export function openJoined(
  { namespaces }: Pick<BundleLinux, 'namespaces'>,
  isWanted: (type: NamespaceType) => boolean = () => true,
): Map<NamespaceType, number> {
  const joined = new Map<NamespaceType, number>();
  try {
    for (const [index, { type, path }] of namespaces.entries()) {
      const wanted = namespaceTypeOf[type];
      if (!path || !isWanted(wanted)) continue;
      // a named pipe would keep whoever opens it waiting
      const fd = attempt(`open the ${type} namespace ${path}`, () => openSync(path, constants.O_RDONLY | constants.O_NONBLOCK));
      joined.set(wanted, fd);
      if (!isNamespaceFile(`/proc/self/fd/${fd}`) || typeOf(fd) !== wanted)
        throw invalidOption(`linux.namespaces[${index}].path`, `${path} is no ${type} namespace`);
      // the kernel lets nobody join where everybody is already (setns(2))
      if (wanted === 'user' && readlinkSync(`/proc/self/fd/${fd}`) === readlinkSync('/proc/self/ns/user'))
        throw invalidOption(`linux.namespaces[${index}].path`, `${path} is the user namespace of the runtime`);
    }
    return joined;
  } catch (error) {
    closeAll(joined.values());
    throw error;
  }
}

/** Opens the namespaces that are joined by path, and that of this process's own mounts where a container has the same. @throws as {@link openJoined} */
export function openShared(linux: BundleLinux | undefined, isWanted: (type: NamespaceType) => boolean): Map<NamespaceType, number> {
  const shared = openJoined(linux ?? { namespaces: [] }, isWanted);
  if (!hasOwnMounts(linux) && !shared.has('mnt')) shared.set('mnt', openSync('/proc/self/ns/mnt', 'r'));
  return shared;
}

/** The types of those of these namespaces that are this process's own. */
export function ownTypes(joined: ReadonlyMap<NamespaceType, number>): ReadonlySet<NamespaceType> {
  const isOwn = ([type, fd]: readonly [NamespaceType, number]): boolean => {
    const [there, own] = [fstatSync(fd), statSync(`/proc/self/ns/${type}`)];
    return there.dev === own.dev && there.ino === own.ino;
  };
  return new Set([...joined].filter(isOwn).map(([type]) => type));
}

/** The ids of a container with a user namespace of its own, or one that is joined; `null`: it has none. @throws NacelleError; SyscallError */
export async function usersOf(linux: BundleLinux | undefined): Promise<UserMaps | null> {
  if (linux === undefined || joinedUsers(linux) === null) return userMapsOf(linux);
  const joined = openJoined(linux, (type) => type === 'user');
  try {
    const [fd = -1] = joined.values();
    return joinedMapsOf(linux, await mapsOf(fd));
  } finally {
    closeAll(joined.values());
  }
}

/** The ids of a container that was made already; the path of its namespace may be gone. @throws NacelleError when the container has ended */
export function usersOfRecord(
  { pid, startTime }: Pick<ContainerRecord, 'pid' | 'startTime'>,
  linux: BundleLinux | undefined,
): UserMaps | null {
  if (joinedUsers(linux) === null) return userMapsOf(linux);
  const read = (name: string) => parseIdMap(readIfThere(`/proc/${pid}/${name}`) ?? '');
  const maps = { uid: read('uid_map'), gid: read('gid_map') };
  requireLiving(pid, startTime);
  return maps;
}

/**
 * Mounts of proc as they are in a pid namespace that is joined, by the mount's number, which the caller closes: none where a plan can make them from outside.
 *
 * @throws SyscallError
 */
export async function procsOf({ mounts }: BundleConfig, pid: number | undefined): Promise<Map<number, number>> {
  const procs = new Map<number, number>();
  if (pid === undefined) return procs;
  try {
    for (const [index, mount] of mounts.entries()) {
      const proc = kindOf(mount, parseMountOptions(mount.options)) === 'proc' ? await joinedProc(pid) : null;
      if (proc !== null) procs.set(index, proc);
    }
    return procs;
  } catch (error) {
    closeAll(procs.values());
    throw error;
  }
}

/** The types of the namespaces that config.json joins by path, which the container's user namespace may not have rights over. */
export function joinedTypes(linux: BundleLinux | undefined): ReadonlySet<NamespaceType> {
  return new Set(
    (linux?.namespaces ?? []).flatMap(({ type, path }) => (path && type !== 'user' && type !== 'mount' ? [namespaceTypeOf[type]] : [])),
  );
}

/**
 * The namespaces of a process that are not this process's own, in the order in which they are joined: those that are `others`, and that of time, before that
 * of users, in which there are no rights over them, where this user is root; that of mounts last, since paths are others from there on.
 *
 * @throws NacelleError when the process has ended
 */
export function openNamespacesOf(
  { pid, startTime }: Pick<ContainerRecord, 'pid' | 'startTime'>,
  others: ReadonlySet<NamespaceType>,
  { isUser }: Pick<Rights, 'isUser'>,
): Map<NamespaceType, number> {
  // a user has rights over what that of users owns, and over nothing else
  const first = isUser ? (['user', 'time'] as const) : (['time', 'user'] as const);
  const own = ([...first, 'cgroup', 'ipc', 'uts', 'net', 'pid', 'mnt'] as const).filter((type) => !others.has(type));
  const opened = new Map<NamespaceType, number>();
  try {
    for (const type of isUser ? [...own.slice(0, 1), ...others, ...own.slice(1)] : [...others, ...own]) {
      const path = `/proc/${pid}/ns/${type}`;
      // a kernel without time namespaces
      if (type === 'time' && !existsSync('/proc/self/ns/time')) continue;
      if (readlinkSync(path) === readlinkSync(`/proc/self/ns/${type}`)) continue;
      opened.set(type, openSync(path, 'r'));
    }
    // what was opened is the container's only if its process lived on: another one may have got its number, and be in the host's namespaces
    requireLiving(pid, startTime);
    return opened;
  } catch (error) {
    closeAll(opened.values());
    requireLiving(pid, startTime);
    throw error;
  }
}

/**
 * The root of a process that is in a mount namespace of others, which knows nothing of it; `null`: of one whose namespace has that as its root.
 *
 * @throws NacelleError when the process has ended
 */
export function openRootOf({ pid, startTime }: Pick<ContainerRecord, 'pid' | 'startTime'>, linux: BundleLinux | undefined): number | null {
  if (hasOwnMounts(linux)) return null;
  const root = attempt('open the root of the container', () => openSync(`/proc/${pid}/root`, O_PATH | constants.O_DIRECTORY));
  try {
    requireLiving(pid, startTime);
    return root;
  } catch (error) {
    closeSync(root);
    throw error;
  }
}

/** Whether the kernel refuses any change of groups in the user namespace of a process (user_namespaces(7)). */
export function hasSetgroupsDenied({ pid, startTime }: Pick<ContainerRecord, 'pid' | 'startTime'>): boolean {
  const text = readIfThere(`/proc/${pid}/setgroups`);
  requireLiving(pid, startTime);
  return text?.trim() === 'deny';
}

function requireLiving(pid: number, startTime: string): void {
  if (!isLiving(pid, startTime)) throw refusal('cannot exec in a stopped container');
}

export function closeAll(descriptors: Iterable<number>): void {
  for (const fd of descriptors) closeSync(fd);
}

/** How this machine's groups are, and what of them the limits need. @param caller the process whose own groups others may be named from */
export async function groupFacts(
  resources: BundleLinux['resources'],
  caller: number,
): Promise<Pick<GroupsRequest, 'layout' | 'files' | 'canFilterDevices' | 'handsOn'>> {
  const layout = inspectGroups(caller);
  const canFilterDevices = layout.controllers.get('devices') === undefined && (await deviceFilter()).available;
  // weights of devices are in the same files
  const weight = resources?.blockIO?.weightDevice.length ? { ioWeight: 1 } : {};
  const files = await groupFiles(layout, resources === undefined ? {} : { ...limitsOf(resources), ...weight });
  return { layout, files, canFilterDevices, handsOn };
}

function handsOn(path: string): HandedOn | null {
  const [available, enabled] = ['cgroup.controllers', 'cgroup.subtree_control'].map((file) =>
    readGroupFile(join(path, file))?.trim().split(' ').filter(Boolean),
  );
  return available === undefined || enabled === undefined ? null : { available, enabled };
}

/**
 * The filter of linux.seccomp.
 *
 * @param bundle where a relative path of the listener's socket begins
 * @throws NacelleError `ERR_INVALID_OPTION` by the path; UnsupportedError
 */
export function filterOf(
  linux: BundleLinux | undefined,
  { bounding }: Pick<CapabilitySets, 'bounding'>,
  bundle: string,
): LoadedFilter | null {
  if (linux?.seccomp === undefined) return null;
  const given = bundleProfile(linux.seccomp);
  const { listener, notifies } = given;
  if (notifies && listener === null) throw invalidOption('linux.seccomp.listenerPath', 'is missing: there is a rule with SCMP_ACT_NOTIFY');
  const profile = notifies ? listenedProfile(linux.seccomp, given) : given;
  const { filter, mayRefuseHandOver } = compiledProfile(profile, { arch: ownArchitecture(), capabilities: bounding, kernel: release() });
  if (notifies && mayRefuseHandOver)
    throw new UnsupportedError(
      'linux.seccomp of config.json',
      'with SCMP_ACT_NOTIFY sendmsg has to be allowed, whatever its arguments are: by that call the listener is handed over',
    );
  const asked = notifies && listener !== null ? { ...listener, path: resolve(bundle, listener.path) } : null;
  return { filter, flags: profile.flags, listener: asked };
}

/** Whether this process may make a group, or use one that is there: as who owns its folder, or that above it. */
export function mayMakeGroup({ path, version, mountPoint }: Pick<GroupFolder, 'path' | 'version' | 'mountPoint'>): boolean {
  let there = path;
  while (!existsSync(there) && there.length > mountPoint.length) there = dirname(there);
  // on v2 a process is moved by who may write to the list of the group that is above both
  return mayMakeIn(there) && (version === 1 || mayWriteFile(join(there, 'cgroup.procs')));
}

/** A folder of groups, opened. */
export function openGroups<G extends { readonly path: string }>(groups: readonly G[]): (G & { readonly fd: number })[] {
  const opened: (G & { readonly fd: number })[] = [];
  try {
    for (const group of groups)
      opened.push({ ...group, fd: attempt(`open the group ${group.path}`, () => openSync(join(group.path, '.'), 'r')) });
    return opened;
  } catch (error) {
    closeAll(opened.map(({ fd }) => fd));
    throw error;
  }
}

import { statSync } from 'node:fs';
import { userInfo } from 'node:os';
import { getegid } from 'node:process';
import { hasCode, invalidOption, NacelleError, UnsupportedError } from '../errors.js';
import type { GroupLayout } from '../host/cgroup-base.js';
import { securityModules } from '../host/security-modules.js';
import { groupOfUnits } from '../host/systemd-units.js';
import { isOwnAlone } from '../host/write-maps.js';
import { now } from '../native/clock.js';
import type { BundleConfig, BundleProcess } from '../oci-config/config-schema.js';
import { schedulerOf } from '../oci-config/process-scheduler.js';
import { refuseForChild, refuseUnapplied } from '../oci-config/refused.js';
import type { Caller } from './caller/caller.js';
import type { Rights } from './caller/rights.js';
import { requireMapped, type UserMaps } from './config/bundle-user-maps.js';
import { mountMapsOf } from './config/mount-maps.js';
import { ambientWarnings, capabilitySets, processLimits } from './config/process-facts.js';
import { readConfig } from './config/read-config.js';
import { usageError } from './config/runtime-error.js';
import { mountLabelOf, type ProgramLabels, programLabels } from './config/security-labels.js';
import { consoleOf } from './console-request.js';
import { netDevicesOf } from './net-devices.js';
import { NOTIFY_VARIABLE, notifyAddress, notifyMount } from './notify-socket.js';
import { freezerOf, type GroupFolder, groupFolders, homeOfGroup } from './plan/bundle-groups.js';
import type { MountFacts } from './plan/bundle-mounts.js';
import type { BundleProgram } from './plan/bundle-process.js';
import type { ConsoleRequest } from './plan/console-of-plan.js';
import type { NetDevice } from './plan/net-device-steps.js';
import { type ScopeName, scopeFolders, scopeNameOf } from './plan/systemd-scope.js';
import { preservedDescriptors } from './preserved-descriptors.js';
import { filterOf, groupFacts, mayMakeGroup, rootOf, sourcesOf, usersOf } from './runtime-machine.js';
import { type ContainerRecord, isFrozen, stateFolder } from './state/container-state.js';
import { processesIn } from './state/group-processes.js';
import { systemdOf } from './systemd-scopes.js';

/** The newest version of the spec that this runtime follows. */
export const OCI_VERSION = '1.3.0';

/** What `create` is asked for. */
export interface CreateRequest {
  readonly caller: Caller;
  /** Hears of the way that the command takes. */
  readonly debug: (text: string) => void;
  readonly rights: Rights;
  readonly root: string;
  readonly id: string;
  readonly bundle: string;
  /** The file in the place of config.json, by an absolute path or one that begins in the bundle. */
  readonly config: string;
  readonly pidFile: string | null;
  readonly consoleSocket: string | null;
  /** A socket that gets a pidfd of the container's process. */
  readonly pidfdSocket: string | null;
  readonly newKeyring: boolean;
  /** `--no-pivot`: the root is changed without pivot_root(2). */
  readonly noPivot: boolean;
  /** The runtime does not stay with the container; else that ends with this process, which hears of its end by the task. */
  readonly detach: boolean;
  /** `--keep`: what is left of a container after its end, its groups among that, stays until it is deleted. */
  readonly keep: boolean;
  /** How many descriptors from 3 on the program gets, after those of socket activation. */
  readonly preservedFds: number;
  /** The group is that of a scope of systemd, which `linux.cgroupsPath` names. */
  readonly systemd: boolean;
}

/** What the record has before there is a process. */
export type KnownBefore = Omit<ContainerRecord, 'pid' | 'startTime'>;

/** A bundle that was checked, and what its plan needs of the host. */
export interface CreateFacts extends Pick<BundleProgram, 'capabilities' | 'limits' | 'filter'> {
  readonly config: BundleConfig;
  readonly program: BundleProcess;
  readonly labels: ProgramLabels;
  /** SELinux's label of new mounts. */
  readonly mountLabel: string | null;
  readonly maps: UserMaps | null;
  readonly rootfs: string;
  readonly netDevices: readonly NetDevice[];
  readonly console: ConsoleRequest | null;
  /** The runtime's own descriptors that the program gets from 3 on; `null`: it has none of that number. */
  readonly preserved: readonly (number | null)[];
  readonly sources: MountFacts['sources'];
  /** Maps of the ids of binds, by the mount's number. */
  readonly mountMaps: ReturnType<typeof mountMapsOf>;
  readonly groups: Awaited<ReturnType<typeof groupFacts>> & Pick<Rights, 'isConfined'>;
  readonly folders: readonly GroupFolder[];
  /** What mounts of groups show: where the container has no group of its own, that of the runtime. */
  readonly shown: readonly GroupFolder[];
  /** The scope of systemd that the container gets; `null`: none. */
  readonly scope: ScopeName | null;
  readonly known: KnownBefore;
}

/** Reads a bundle and looks at the host, before anything is made. @throws NacelleError, with the field of config.json or what is missing here */
export async function createFacts(request: CreateRequest): Promise<CreateFacts> {
  const bundle = request.caller.absolute(request.bundle);
  const { config, json } = readConfig(bundle, request.config);
  refuseUnapplied(config);
  const { linux } = config;
  if (config.process === undefined)
    throw new NacelleError('process of config.json is missing: a container needs one', { code: 'ERR_INVALID_OPTION' });
  const modules = securityModules();
  const [labels, mountLabel] = [programLabels(config.process, modules), mountLabelOf(linux, modules)];
  const { descriptors: preserved, env } = preservedDescriptors(request.preservedFds, request.caller);
  const notifies = notifyAddress(request.caller.env) !== null;
  const program = { ...config.process, env: [...config.process.env, ...env, ...(notifies ? [NOTIFY_VARIABLE] : [])] };
  const maps = await usersOf(linux);
  if (maps !== null) requireMapped(maps, program);
  if (request.rights.isUser) requireUserNamespace(maps);
  if (needsSetgroupsDenied(request.rights, maps)) refuseGroups(program);
  if (request.noPivot) refuseWithoutPivot(maps, request.rights);
  const mountMaps = mountMapsOf(config.mounts, maps);
  schedulerOf(program);
  refuseForChild(program, maps !== null || (linux?.namespaces.some(({ type, path }) => type === 'pid' && path) ?? false));
  const console = consoleOf(request.consoleSocket, program, { caller: request.caller, detach: request.detach });
  const capabilities = capabilitySets(program);
  for (const text of ambientWarnings(capabilities)) request.caller.tell(text);
  const limits = processLimits(program);
  const filter = filterOf(linux, capabilities, bundle);
  const rootfs = rootOf(bundle, config);
  const sources = sourcesOf(bundle, config);
  const notify = notifies ? notifyMount(stateFolder(request.root, request.id)) : null;
  const mounted = notify === null ? config : { ...config, mounts: [...config.mounts, notify] };
  // the folder is made later, with that of the container's state
  if (notify !== null) sources.set(config.mounts.length, { path: notify.source, isFile: false });
  const netDevices = await netDevicesOf(linux, request.rights);
  const groups = { ...(await groupFacts(linux?.resources, request.caller.pid)), isConfined: request.rights.isConfined };
  const scope = request.systemd ? scopeNameOf(linux?.cgroupsPath, request.id, systemdOf(request.rights)) : null;
  const wanted =
    scope === null
      ? groupFolders(groups.layout, linux?.cgroupsPath, request.id)
      : scopeFolders(groups.layout, scope, await groupOfUnits({ owner: scope.of, env: request.caller.env }));
  const folders = request.rights.skipsGroups && !linux?.cgroupsPath ? wanted.filter(mayMakeGroup) : wanted;
  const home = homeOfGroup(folders);
  const freezer = freezerOf(folders);
  if (home !== null) refuseUsedGroup(home);
  else if (!request.rights.skipsGroups) throw new UnsupportedError('cgroup', 'this machine has no cgroup hierarchy mounted');
  if (freezer !== null) refuseFrozenGroup(freezer);
  const known: KnownBefore = {
    ...{ format: 1, ociVersion: OCI_VERSION, id: request.id, bundle, rootfs, created: new Date(now()).toISOString() },
    ...{ owner: ownName(), annotations: config.annotations ?? {}, groups: folders },
    ...{ home: home?.path ?? null, freezer, config: json, ...(notifies ? { notifies } : {}) },
  };
  return {
    config: mounted,
    program,
    labels,
    mountLabel,
    maps,
    rootfs,
    netDevices,
    console,
    preserved,
    sources,
    mountMaps,
    groups,
    folders,
    shown: wanted.map((folder) =>
      folders.includes(folder) ? folder : { ...folder, path: ownGroup(groups.layout, folder), isRuntimes: true },
    ),
    scope,
    known,
    capabilities,
    limits,
    filter,
  };
}

/** Whatever enters a frozen group stands still, and a runtime that waits for that would too. The words are runc's. @throws NacelleError */
function refuseFrozenGroup(freezer: GroupFolder): void {
  if (isThere(freezer.path) && isFrozen({ freezer }))
    throw new NacelleError(`container's cgroup unexpectedly frozen: ${freezer.path}`, { code: 'ERR_STATE' });
}

/** What an ordinary user's container has to have, in runc's words. @throws NacelleError */
function requireUserNamespace(maps: UserMaps | null): void {
  if (maps === null) throw usageError('rootless container requires user namespaces: linux.namespaces of config.json has none');
}

/** In a user namespace the host's mounts are locked, and whoever sees them may mount proc anew, without what is masked. @throws UnsupportedError */
function refuseWithoutPivot(maps: UserMaps | null, { isConfined }: Rights): void {
  if (maps === null && !isConfined) return;
  throw new UnsupportedError(
    '--no-pivot in a user namespace',
    "the host's mounts of proc and sysfs can't be unmounted there, and would stay in reach",
    'Run it as root, and leave the user namespace out.',
  );
}

/** Whether the kernel lets nobody in the container change groups: an ordinary user who maps the own group alone has to give that up. */
export function needsSetgroupsDenied({ isUser, deniesSetgroups }: Rights, maps: UserMaps | null): boolean {
  return deniesSetgroups || (isUser && maps !== null && isOwnAlone(maps.gid, getegid?.() ?? 0));
}

/** @throws NacelleError */
function refuseGroups({ user }: BundleProcess): void {
  if (user.additionalGids.length > 0)
    throw invalidOption(
      'process.user.additionalGids',
      'cannot set any additional groups in a rootless container whose one group is mapped',
    );
}

/** `''`, as with runc, for a user whom the machine does not know. */
function ownName(): string {
  try {
    return userInfo().username;
  } catch (error) {
    if (hasCode(error, 'ERR_SYSTEM_ERROR', 'ENOENT')) return '';
    throw error;
  }
}

/** The group of a hierarchy that this process is in; its top where that can't be seen. Pure. */
function ownGroup({ unified, controllers }: GroupLayout, { mountPoint }: GroupFolder): string {
  const all = [...(unified === null ? [] : [unified]), ...controllers.values()];
  return all.find((hierarchy) => hierarchy.mountPoint === mountPoint)?.ownPath ?? mountPoint;
}

/** Two containers in one group would stand still, and be killed, together. @throws NacelleError */
function refuseUsedGroup({ path }: GroupFolder): void {
  if (isThere(path) && processesIn(path).length > 0)
    throw new NacelleError(`container's cgroup is not empty: ${path}`, { code: 'ERR_STATE' });
}

/** @throws Error for what can't be looked at */
function isThere(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false }) !== undefined;
}

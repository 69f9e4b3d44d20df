import { readlinkSync, statSync } from 'node:fs';
import { hostname as hostHostname, totalmem } from 'node:os';
import { env as nodeEnv } from 'node:process';
import { freezerFile } from '../../cgroup/freezer.js';
import { errnoOf, ImageError, invalidOption } from '../../errors.js';
import { type GroupLayout, groupLayout } from '../../host/cgroup-base.js';
import type { IdLease } from '../../host/id-ranges.js';
import type { HostRecord } from '../../host/journal.js';
import { owner } from '../../host/owner.js';
import { mounter, privilege } from '../../host/privilege.js';
import type { ImageConfig } from '../../image/formats/image-config.js';
import { parseStopSignal } from '../../image/formats/stop-signal.js';
import type { Image } from '../../image/image.js';
import { closeDescriptor } from '../../native/load-addon.js';
import type { Shim } from '../../native/shim.js';
import { attempt, nativeError } from '../../native/system-errors.js';
import type { ParsedLimits } from '../../options/limits.js';
import { allCapabilities, type CapabilityMask } from '../../plan/capability-names.js';
import { DEFAULT_PATH } from '../../plan/constants.js';
import { type HealthCheck, Slots } from '../../plan/plan.js';
import { idOutside } from '../../plan/user-maps.js';
import type { UserMaps } from '../../plan/userns-maps.js';
import { SIGTERM } from '../../process/options/signals.js';
import { resolveCapabilities } from '../../security/capabilities.js';
import type { ParsedOptions } from '../options/container-options.js';
import { healthOf, type ParsedHealth } from '../options/healthcheck.js';
import { NOBODY, SCRATCH, toldOfProfile } from '../options/profiles.js';
import { numericUser } from '../options/userns-option.js';
import { defaultMounts } from '../plan/default-mounts.js';
import { mayBeRefused } from '../plan/device-nodes.js';
import { planHealth } from '../plan/health-plan.js';
import { namespacesToJoin } from '../plan/namespace-steps.js';
import type { ExtraDevice, PlanInput, RootSource } from '../plan/plan-input.js';
import type { UserNamespacePlan } from '../plan/userns.js';
import { mapsIn } from '../plan/userns-ids.js';
import { anonymousVolumes } from './anonymous-volumes.js';
import { cpuClockOf, type NotEnforced, planContainerGroup, requireDeviceController } from './container-group.js';
import { type ContainerUsers, containerUsers } from './container-users.js';
import { etcFiles } from './etc-files.js';
import { planExecGroup } from './exec-group.js';
import { mappedPaths, requireIdmap } from './idmap-support.js';
import { joinedProc } from './joined-proc.js';
import { boundOf, closing, findSources } from './mount-sources.js';
import { imageOf } from './named-image.js';
import { ownCapabilities } from './own-capabilities.js';
import { procOf } from './seen-proc.js';
import { systemCallFilter } from './system-call-filter.js';
import { terminalEnvironment } from './terminal-environment.js';
import { upperOnDisk } from './upper-on-disk.js';

/**
 * What a plan needs beside the program's streams. Preparing it reads the host, and makes nothing on it but an image's layers in the store.
 */
export type Prepared = Omit<PlanInput, 'streams' | 'park' | 'journal'> & {
  /** The limits that can be kept. */
  readonly limits: ParsedLimits;
  readonly notEnforced: NotEnforced;
  /** Where groups are made, by the mount points of their hierarchies. */
  readonly bases: Readonly<Record<string, string>>;
  /** Records of the container's group, for the journal. */
  readonly records: readonly HostRecord[];
  /** The filter has an action that ends a process by SIGSYS. */
  readonly filterKills: boolean;
  /** With which `argv` begins. */
  readonly entrypoint: readonly string[];
  readonly healthcheck: ParsedHealth | null;
  /** `null` for a root that is a folder, which the program writes to itself. */
  readonly image: Image | null;
  /** Who makes it. */
  readonly shim: Shim;
  /** What must stay in the store as long as the container: layers, and descriptors that keep volumes. */
  readonly digests: readonly string[];
  readonly locks: readonly number[];
  /** The ids that only this container has; `null` where nobody gives it some. */
  readonly lease: IdLease | null;
  /** Releases the image's layers; to be called when the container's mounts are gone, or were never made. */
  readonly release: () => void;
};

/** For which container something is prepared. */
export interface PrepareFor {
  readonly id: string;
  /** The program waits before execve, and other programs may join it. */
  readonly park: boolean;
  /** Who makes it. */
  readonly shim: Shim;
  /** Where the shim of a detached container makes groups, which is their owner from the start. */
  readonly layout?: GroupLayout;
}

export async function prepare(options: ParsedOptions, of: PrepareFor): Promise<Prepared> {
  try {
    return await prepareAll(options, of);
  } catch (error) {
    throw toldOfProfile(error, options.profile);
  }
}

async function prepareAll(options: ParsedOptions, of: PrepareFor): Promise<Prepared> {
  const found = await findRoot(options, of);
  try {
    const sources = await findSources(options, found.root);
    try {
      const users = await usersFor(options, of, mappedPaths(found.root, sources));
      const release = (): void => {
        users.close();
        users.lease?.release();
        sources.release();
        found.release();
      };
      try {
        const { images, bound, locks } = sources;
        const digests = [...found.digests, ...sources.digests];
        const prepared = await prepareOn({ ...found, digests, release }, { ...options, mounts: sources.mounts }, { ...of, users });
        return { ...prepared, images, bound, locks };
      } catch (error) {
        users.close();
        users.lease?.release();
        throw error;
      }
    } catch (error) {
      sources.release();
      throw error;
    }
  } catch (error) {
    found.release();
    throw error;
  }
}

/** The user namespace of a container that shows these paths of the host as its own. */
async function usersFor(options: ParsedOptions, of: PrepareFor, paths: readonly string[]): Promise<ContainerUsers> {
  const users = await containerUsers(options, { id: of.id, keepsUppers: of.park && options.root.type === 'image' });
  if (users.plan.kind !== 'given' && users.plan.kind !== 'joined') return users;
  try {
    requireMapped(options.process.user, users.plan);
    if (users.plan.kind === 'given') await requireIdmap(paths, users.plan.fd);
    return users;
  } catch (error) {
    users.close();
    users.lease?.release();
    throw error;
  }
}

/** Refuses a user that is given by numbers which are none inside; of one by name only the container's files tell. */
function requireMapped(user: string | null, { uid, gid }: UserMaps): void {
  const ids = numericUser(user);
  if (ids === null) return;
  const isIn = idOutside(uid, ids.uid) !== null && (!user?.includes(':') || idOutside(gid, ids.gid) !== null);
  if (!isIn) throw invalidOption('user', `is ${user}, which is not in the container's map of ids (userns)`);
}

async function prepareOn(
  { root, config, image, digests, release }: FoundRoot,
  options: ParsedOptions,
  { id, park, users, shim, layout }: PrepareFor & { readonly users: ContainerUsers },
): Promise<Omit<Prepared, 'images' | 'bound' | 'locks'>> {
  const own = privilege();
  const argv = argvOf(options, config);
  const stopSignal = stopSignalOf(config);
  const capabilities = resolveCapabilities({ capAdd: options.capAdd, capDrop: options.capDrop, held: heldBy(users) });
  const told = options.onDenied !== null;
  const { filterKills, ...filtered } = await systemCallFilter(options.seccomp, { capabilities, told });
  const devices = options.devices.map(findDevice);
  const slots = new Slots();
  const ownHostname = options.namespaces.uts === 'new';
  const hostname = options.hostname ?? (ownHostname ? id.slice(0, 12) : hostHostname());
  const { group, limits, notEnforced, records } = await planContainerGroup(options, {
    slots,
    layout: layout ?? groupLayout(),
    owner: layout === undefined ? await owner(groupLayout(), shim) : shim.owner,
    id,
    devices,
    park,
    isOptional: own.kind === 'user' && options.namespaces.pid === 'new',
  });
  // in a user namespace nobody can make a device, whatever capability a program has there
  requireDeviceController(group, { capabilities: users.plan.kind === 'none' ? capabilities : 0n, devices });
  const clock = cpuClockOf(options, group);
  const seenProc = await procOf(options, users.plan);
  // nobody but root may make nodes
  const boundDevices = own.kind === 'root' ? [] : options.devices.map(({ path: source, target }) => ({ source, path: target }));
  const prepared: Omit<Prepared, 'proc' | 'images' | 'bound' | 'locks'> = {
    id,
    options,
    slots,
    root,
    argv,
    entrypoint: entrypointOf(options, config),
    program: {
      env: environment(options, config, hostname),
      cwd: options.process.cwd ?? (config.workingDir || (options.profile === null ? '/' : SCRATCH)),
      user: options.process.user ?? usualUser(options, config, users.plan),
      groupAdd: options.process.groupAdd ?? [],
      keepsGroups: own.kind === 'user' && own.whyOne !== null,
      umask: options.process.umask,
      capabilities,
      noNewPrivileges: options.noNewPrivileges,
      ulimits: options.limits.ulimits,
      scheduler: options.limits.scheduler,
      oomScoreAdj: options.oomScoreAdj,
      ...filtered,
    },
    hostname,
    group,
    userns: users.plan,
    shim,
    bases: basesOf(layout ?? groupLayout()),
    cpuClock: clock.cpuClock,
    filterKills,
    devices: own.kind === 'root' ? devices : [],
    lease: users.lease,
    fileTargets: fileTargets(options),
    copiedFolders: copiedFolders(options),
    volumes: anonymousVolumes([...(config.volumes ?? []), ...options.anonymousVolumes], options.mounts),
    table: defaultMounts({
      options,
      ownProc: seenProc.isOwn,
      unified: groupLayout().mode === 'v2',
      files: etcFiles(options, hostname),
      userns: users.plan,
      devices: boundDevices,
    }),
    stopSignal,
    health: null,
    healthcheck: healthOf(options.healthcheck, config.healthcheck),
    limits,
    notEnforced: [...notEnforced, ...clock.notEnforced, ...seenProc.notEnforced],
    records,
    image,
    digests,
    release,
  };
  const { healthcheck: health } = prepared;
  const planned = health === null ? prepared : { ...prepared, health: await planHealthOf(health, prepared) };
  const { pid } = options.namespaces;
  const proc = typeof pid === 'string' ? null : await joinedProc(pid.fd);
  if (proc === null) return { ...planned, proc };
  const closeBoth = (): void => {
    closeDescriptor(proc);
    release();
  };
  return { ...planned, proc, release: closeBoth };
}

async function planHealthOf(
  health: ParsedHealth,
  { group, bases, program, options, userns }: Pick<Prepared, 'group' | 'bases' | 'program' | 'options' | 'userns'>,
): Promise<HealthCheck> {
  const slots = new Slots();
  return planHealth({
    health,
    slots,
    group: await planExecGroup({ slots, id: 'health', container: group.name, bases, limits: {}, countsCpu: false }),
    program,
    namespaces: namespacesToJoin(options, userns),
    userns: mapsIn(userns),
    nullByShim: mayBeRefused(options),
    frozen: freezerFile(group.paths) ?? '',
  });
}

export function basesOf({ bases }: GroupLayout): Record<string, string> {
  return Object.fromEntries([...bases].flatMap(([mountPoint, { path }]) => (path === null ? [] : [[mountPoint, path] as const])));
}

interface FoundRoot {
  readonly root: RootSource;
  readonly config: ImageConfig;
  readonly image: Image | null;
  readonly digests: readonly string[];
  readonly release: () => void;
}

async function findRoot(options: ParsedOptions, of: PrepareFor): Promise<FoundRoot> {
  if (options.root.type === 'rootfs') {
    const path = typeof options.root.rootfs === 'string' ? options.root.rootfs : options.root.rootfs.path;
    requireFolder(path, 'rootfs');
    requireOwnMounts(path, 'rootfs');
    const bound = await boundOf(path, options);
    const release = bound === null ? () => undefined : closing(bound);
    return { root: { type: 'folder', path, bound }, config: {}, image: null, digests: [], release };
  }
  const { image: wanted, pull, upperSize } = options.root;
  const image = typeof wanted === 'string' ? await imageOf(wanted, pull, options) : wanted;
  const disk = await upperOnDisk(options.root, of);
  const { recipe, digests, release } = await image.use({
    onProgress: options.onProgress ?? undefined,
    signal: options.process.cancelSignal ?? undefined,
    mounter: mounter(privilege()),
  });
  const half = Math.floor((options.limits.memory ?? totalmem()) / 2);
  return {
    root: { type: 'recipe', recipe, upperSize: upperSize ?? Math.max(half, 4096), disk },
    config: image.config,
    image,
    digests,
    release,
  };
}

function requireFolder(path: string, option: string): void {
  const status = lookUp(path, option);
  if (!status.isDirectory()) throw invalidOption(option, `${path} is not a folder`);
}

/**
 * Refuses a path that leads, by /proc/PID/root and the like, into the mounts of another namespace: it can't be bound (open_tree(2),
 * EINVAL).
 */
function requireOwnMounts(path: string, option: string): void {
  const pid = /^\/proc\/(\d+)\/(?:root|cwd|fd\/\d+)(?:\/|$)/.exec(path)?.[1];
  if (pid === undefined) return;
  const [own, other] = ['self', pid].map((process) =>
    attempt(`look up ${path} for ${option}`, () => readlinkSync(`/proc/${process}/ns/mnt`)),
  );
  if (own !== other) throw invalidOption(option, `${path} leads into another mount namespace, of which nothing can be bound`);
}

function lookUp(path: string, option: string) {
  try {
    return statSync(path);
  } catch (cause) {
    const errno = errnoOf(cause);
    if (errno === undefined) throw cause;
    throw nativeError(`look up ${path} for ${option}`, 'stat', errno, path);
  }
}

/**
 * The image's user as docker reads it: an empty user (from an empty variable in a Dockerfile) is root, and an empty group is the user's
 * own.
 */
function userOf({ user = '' }: ImageConfig): string {
  const [name, group] = user.split(':');
  return `${name || '0'}${group ? `:${group}` : ''}`;
}

/** The image's user; of a profile, one who is not root where there is such a one inside. */
function usualUser({ profile }: ParsedOptions, config: ImageConfig, users: UserNamespacePlan): string {
  const user = userOf(config);
  if (profile === null || !/^(?:root|0)(?::|$)/.test(user)) return user;
  const isThere = users.kind === 'none' || [users.uid, users.gid].every((map) => idOutside(map, NOBODY) !== null);
  return isThere ? `${NOBODY}:${NOBODY}` : user;
}

/** The signal that asks the first process to end. @throws ImageError when the image names no signal */
function stopSignalOf({ stopSignal }: ImageConfig): number {
  const number = stopSignal ? parseStopSignal(stopSignal) : SIGTERM;
  if (number === null) throw new ImageError(`the image's StopSignal is ${JSON.stringify(stopSignal)}, which is no signal`);
  return number;
}

function entrypointOf(options: ParsedOptions, config: ImageConfig): readonly string[] {
  return options.entrypoint ?? config.entrypoint ?? [];
}

/** Entrypoint and command as docker combines them: an entrypoint of the caller's drops the image's command. */
export function argvOf(options: ParsedOptions, config: ImageConfig): string[] {
  const entrypoint = entrypointOf(options, config);
  const imageCommand = options.entrypoint === null ? (config.cmd ?? []) : [];
  // an empty list counts as not given: a caller may pass on arguments of which there are none
  const command = options.command?.length ? options.command : imageCommand;
  const argv = [...entrypoint, ...command];
  if (argv.length === 0) throw invalidOption('command', 'is missing: the image names no program either');
  return argv;
}

/** 'NAME=value', later ones winning: PATH, HOSTNAME and TERM, Node's own when asked for, the image's, the caller's. */
export function environment(options: ParsedOptions, config: ImageConfig, hostname: string): string[] {
  const { env, extendEnv, tty } = options.process;
  const all: Record<string, string | undefined> = {
    PATH: DEFAULT_PATH,
    HOSTNAME: hostname,
    ...terminalEnvironment(tty),
    ...(extendEnv ? nodeEnv : {}),
    ...config.env,
    ...env,
  };
  return Object.entries(all).flatMap(([name, value]) => (value === undefined ? [] : [`${name}=${value}`]));
}

function findDevice({ path, target, access }: ParsedOptions['devices'][number]): ExtraDevice {
  const status = lookUp(path, 'devices');
  if (!status.isBlockDevice() && !status.isCharacterDevice()) throw invalidOption('devices', `${path} is not a device`);
  // makedev(3) of glibc
  const device = BigInt(status.rdev);
  const major = Number(((device >> 8n) & 0xfffn) | ((device >> 32n) & 0xfffff000n));
  const minor = Number((device & 0xffn) | ((device >> 12n) & 0xffffff00n));
  return { path: target, type: status.isBlockDevice() ? 'b' : 'c', major, minor, mode: status.mode & 0o777, access };
}

/** The targets of binds of files: where a target is missing, a file is made to mount on. The sources must be there. */
function fileTargets(options: ParsedOptions): Set<string> {
  const targets = new Set<string>();
  for (const { type, source, target } of options.mounts) {
    if (type === 'bind' && source !== null && !lookUp(source, `mounts (${target})`).isDirectory()) targets.add(target);
  }
  return targets;
}

/** The sources of `copyIn` that are folders. All of them must be there. */
function copiedFolders({ copyIn }: ParsedOptions): Set<string> {
  return new Set(copyIn.flatMap(({ source }) => (source !== null && isFolder(source) ? [source] : [])));
}

/** Whether a source is a folder. Refuses one that is neither that nor a file: to read it may wait for ever, or have an effect. */
function isFolder(source: string): boolean {
  const status = lookUp(source, 'copyIn');
  if (!status.isFile() && !status.isDirectory()) throw invalidOption('copyIn', `${source} is neither a file nor a folder`);
  return status.isDirectory();
}

/** In a user namespace of its own a container may have every capability: each is one over what belongs to that namespace. */
function heldBy({ plan }: ContainerUsers): CapabilityMask {
  return plan.kind === 'given' ? allCapabilities : ownCapabilities();
}

import { posix } from 'node:path';
import { NacelleError, UnsupportedError } from '../errors.js';
import { PROPAGATION } from '../plan/constants.js';
import { parseMountOptions } from './bundle-mount-options.js';
import type { BundleConfig, BundleLinux, BundleProcess } from './config-schema.js';
import { namedCapabilities } from './named-capabilities.js';

// What config.json may say and is not done, by its path. The spec wants an error for a value that the runtime can't apply (config.md), and a program that
// is less confined than it was asked to be, or does less, is worse than none. Some is refused of the runtime and of a bundle that is read as options alike.

/** @param path the field of config.json */
export function refuse(path: string, reason: string, fix?: string): never {
  throw new UnsupportedError(`${path} of config.json`, reason, fix);
}

/** @param path the field of config.json */
export function wrongField(path: string, problem: string): NacelleError {
  return new NacelleError(`${path} of config.json ${problem}`, { code: 'ERR_INVALID_OPTION' });
}

/** Refuses what the runtime does not apply. Pure. @throws UnsupportedError */
export function refuseUnapplied(config: BundleConfig): void {
  const { mounts, linux } = config;
  for (const [index, mount] of mounts.entries()) {
    const at = `mounts[${index}]`;
    const { remount, copyUp, superblock, data } = parseMountOptions(mount.options);
    if (remount && superblock.length + data.length > 0)
      refuse(`${at}.options`, `a mount that is mounted again gets other flags alone, and not ${[...superblock, ...data].join(', ')}`);
    refuseMapsAsOption(at, data);
    if (copyUp && mount.type !== 'tmpfs') refuse(`${at}.options`, 'only a tmpfs gets what is below it (tmpcopyup)');
  }
  refuseMountData({ mounts, linux });
  if (linux !== undefined) refuseUnappliedOfLinux(linux, mounts);
  refuseNames(config);
}

/** Refuses what the options of a container can't say. Pure. @throws UnsupportedError */
export function refuseUnsaid(config: BundleConfig): void {
  const { hooks, process, linux } = config;
  for (const [kind, list] of Object.entries(hooks ?? {})) {
    if (list.length > 0) refuse(`hooks.${kind}`, 'a container has no hooks', 'Have its maker do the work before create, or after wait.');
  }
  if (process !== undefined) refuseUnsaidOfProgram(process);
  if (linux === undefined || !hasOwnMounts(linux)) refuse('linux.namespaces', OWN_MOUNTS);
  refuseShared(linux);
  refuseUnsaidOfLinux(linux);
  refuseNames(config);
}

const NOT_APPLIED = 'this runtime does not apply the field';
const NO_OPTION = 'no option of a container says it';
const OWN_MOUNTS = 'a container has a mount namespace of its own';

/** Whether a container has a mount namespace of its own: else that of the runtime, or one that is joined by path. Pure. */
export function hasOwnMounts(linux: Pick<BundleLinux, 'namespaces'> | undefined): boolean {
  return linux?.namespaces.some(({ type, path }) => type === 'mount' && !path) ?? false;
}

/** Maps of ids of a mount. @param at where the mount is in config.json */
export function refuseMaps(at: string, { options, uidMappings, gidMappings }: BundleConfig['mounts'][number]): void {
  const { idmap, data } = parseMountOptions(options);
  refuseMapsAsOption(at, data);
  if (idmap !== 'no' || uidMappings.length > 0 || gidMappings.length > 0) refuse(`${at}.uidMappings`, 'ids of a mount are not mapped');
}

/** crun's way to write maps: where it were passed over, files would be shown as those of whoever has them. */
function refuseMapsAsOption(at: string, data: readonly string[]): void {
  const option = data.find((one) => /^r?idmap=/.test(one));
  if (option !== undefined) refuse(`${at}.options`, `maps are not read of ${option}`, 'Give uidMappings and gidMappings.');
}

/** Names that would be the host's. runc refuses these too. */
function refuseNames({ hostname, domainname, linux }: BundleConfig): void {
  if (linux?.namespaces.some(({ type }) => type === 'uts')) return;
  for (const [name, value] of Object.entries({ hostname, domainname }))
    if (value) refuse(name, "it would be the host's: there is no uts namespace in linux.namespaces");
}

const NO_LEAVES = 'the kernel has no such file since Linux 5.0';

function refuseShared({ namespaces, timeOffsets, intelRdt, resources }: BundleLinux): void {
  if (Object.keys(timeOffsets ?? {}).length > 0 && !namespaces.some(({ type, path }) => type === 'time' && !path))
    refuse('linux.timeOffsets', 'clocks are set in a new time namespace alone, and linux.namespaces has none');
  if (intelRdt !== undefined) refuse('linux.intelRdt', 'intelRdt is specified in config, but Intel RDT is not supported or enabled');
  const { blockIO, memory } = resources ?? {};
  if (blockIO?.leafWeight) refuse('linux.resources.blockIO.leafWeight', NO_LEAVES);
  if ((memory?.kernelTCP ?? 0) > 0) refuse('linux.resources.memory.kernelTCP', NOT_APPLIED);
}

function refuseUnappliedOfLinux(linux: BundleLinux, mounts: BundleConfig['mounts']): void {
  if (
    linux.devices.some(({ path }) => posix.join('/', path).startsWith('/dev/')) &&
    !mounts.some(({ destination }) => posix.join('/', destination) === '/dev')
  )
    refuse('linux.devices', 'devices are made in a new file system on /dev, and mounts has none');
  const { namespaces, personality, netDevices, resources } = linux;
  if (Object.keys(netDevices ?? {}).length > 0 && !namespaces.some(({ type }) => type === 'network'))
    refuse('linux.netDevices', 'unable to move network devices without a private NET namespace');
  if (!hasOwnMounts(linux) && namespaces.some(({ type }) => type === 'user'))
    refuse('linux.namespaces', 'a container with a user namespace has no rights over a mount namespace of others');
  if (!hasOwnMounts(linux)) refuseUnbindable(mounts);
  refuseShared(linux);
  if (personality !== undefined && personality.flags.length > 0) refuse('linux.personality.flags', 'the specification has none');
  for (const [index, { leafWeight }] of (resources?.blockIO?.weightDevice ?? []).entries())
    if (leafWeight) refuse(`linux.resources.blockIO.weightDevice[${index}].leafWeight`, NO_LEAVES);
  if ((resources?.memory?.kernel ?? 0) > 0) refuse('linux.resources.memory.kernel', "memory.limit counts the kernel's part too");
}

/** The root of a container in a mount namespace of others is a copy of a tree, which the kernel makes without what can't be bound, and so without masks on that. */
function refuseUnbindable(mounts: BundleConfig['mounts']): void {
  const index = mounts.findIndex(({ options }) =>
    parseMountOptions(options).propagation.some(({ flag }) => flag === PROPAGATION.unbindable),
  );
  if (index >= 0) refuse(`mounts[${index}].options`, "a mount that is unbindable needs a mount namespace of the container's own");
}

/** Refuses the file systems' own options where they would not be applied. */
function refuseMountData({ mounts, linux }: Pick<BundleConfig, 'mounts' | 'linux'>): void {
  const joinsPid = linux?.namespaces.some(({ type, path }) => type === 'pid' && (path ?? '') !== '') ?? false;
  for (const [index, { type, options }] of mounts.entries()) {
    const { bind, data } = parseMountOptions(options);
    if (bind !== 'no' || data.length === 0) continue;
    const at = `mounts[${index}].options`;
    if (type === 'cgroup' || type === 'cgroup2') refuse(at, `a mount of the container's groups takes no ${data.join(', ')}`);
    if (type === 'proc' && joinsPid) refuse(at, `proc of a pid namespace that is joined takes no ${data.join(', ')}`);
  }
}

const IS_CHILD = 'in exec, a user namespace and a joined pid namespace the program is a child of the process that sets it';

/**
 * What does not come to a program that is a child of the process which sets it: a process under SCHED_DEADLINE starts no other (sched(7)), and one whose
 * scheduling is reset starts others without it.
 *
 * @param isChild in `exec`, a user namespace and a joined pid namespace
 * @throws UnsupportedError
 */
export function refuseForChild({ scheduler }: BundleProcess, isChild: boolean): void {
  if (isChild && scheduler?.policy === 'SCHED_DEADLINE')
    refuse('process.scheduler.policy', `SCHED_DEADLINE lets no process start another: ${IS_CHILD}`);
  if (isChild && (scheduler?.flags ?? []).includes('SCHED_FLAG_RESET_ON_FORK'))
    refuse('process.scheduler.flags', `SCHED_FLAG_RESET_ON_FORK would be lost: ${IS_CHILD}`);
}

function refuseUnsaidOfProgram(process: BundleProcess): void {
  const { capabilities, apparmorProfile, selinuxLabel, ioPriority, execCPUAffinity, scheduler } = process;
  if ((capabilities?.inheritable.length ?? 0) > 0)
    refuse('process.capabilities.inheritable', 'no program of a container has any', 'Leave them out: see CVE-2022-29162.');
  const [bounding, permitted] = [capabilities?.bounding, capabilities?.permitted].map((names) => namedCapabilities(names).mask);
  // of another user execve takes them all, whatever they are
  if (process.user.uid === 0 && bounding !== permitted)
    refuse('process.capabilities.permitted', 'the permitted capabilities of root are those of the bounding set');
  for (const [name, value] of Object.entries({ apparmorProfile, selinuxLabel, ioPriority, execCPUAffinity }))
    if (value !== undefined && value !== '') refuse(`process.${name}`, NO_OPTION);
  if (scheduler !== undefined && scheduler.flags.length > 0) refuse('process.scheduler.flags', 'no option says them');
}

function refuseUnsaidOfLinux({
  rootfsPropagation,
  mountLabel,
  personality,
  memoryPolicy,
  netDevices,
  resources,
  cgroupsPath,
}: BundleLinux): void {
  if (rootfsPropagation && !['private', 'rprivate'].includes(rootfsPropagation))
    refuse('linux.rootfsPropagation', 'mounts in the root are private');
  if (mountLabel) refuse('linux.mountLabel', NO_OPTION);
  if (personality !== undefined) refuse('linux.personality', NO_OPTION);
  if (resources?.memory?.disableOOMKiller) refuse('linux.resources.memory.disableOOMKiller', NO_OPTION);
  if (memoryPolicy !== undefined) refuse('linux.memoryPolicy', NO_OPTION);
  if (Object.keys(netDevices ?? {}).length > 0) refuse('linux.netDevices', NO_OPTION);
  if (cgroupsPath?.startsWith('/'))
    refuse('linux.cgroupsPath', "groups are made below nacelle's own", 'Give a relative path, or leave it out.');
  if (cgroupsPath?.includes(':')) refuse('linux.cgroupsPath', 'it is a scope of systemd', 'Give a relative path, or leave it out.');
  if ((resources?.blockIO?.weightDevice ?? []).length > 0) refuse('linux.resources.blockIO.weightDevice', NO_OPTION);
  for (const file of Object.keys(resources?.unified ?? {}))
    if (!UNIFIED.includes(file)) refuse(`linux.resources.unified[${JSON.stringify(file)}]`, NO_OPTION);
}

/** Files of the unified tree that are options. */
const UNIFIED = ['memory.high', 'memory.oom.group', 'misc.max'];

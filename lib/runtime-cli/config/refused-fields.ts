import { posix } from 'node:path';
import { UnsupportedError } from '../../errors.js';
import { parseMountOptions } from '../../oci-config/bundle-mount-options.js';
import type { BundleConfig, BundleLinux, BundleProcess } from '../../oci-config/config-schema.js';

/**
 * Refuses what is asked for in config.json and can't be kept yet, by its path. The spec wants an error for a value that the runtime can't
 * apply (config.md), and a program that is less confined than it was asked to be is worse than none.
 *
 * @throws UnsupportedError
 */
export function refuseUnsupported({ mounts, process, hostname, domainname, linux }: BundleConfig): void {
  for (const [index, mount] of mounts.entries()) {
    const at = `mounts[${index}]`;
    const { idmap, remount, copyUp, superblock, data } = parseMountOptions(mount.options);
    if (idmap || mount.uidMappings.length > 0 || mount.gidMappings.length > 0) refuse(`${at}.uidMappings`, 'ids of a mount are not mapped');
    if (remount && superblock.length + data.length > 0)
      refuse(`${at}.options`, `a mount that is mounted again gets other flags alone, and not ${[...superblock, ...data].join(', ')}`);
    if (copyUp && mount.type !== 'tmpfs') refuse(`${at}.options`, 'only a tmpfs gets what is below it (tmpcopyup)');
  }
  refuseMountData({ mounts, linux });
  if (process !== undefined) refuseOfProcess(process);
  if (linux !== undefined) refuseOfLinux(linux, mounts);
  // runc refuses these too
  if (linux?.namespaces.some(({ type }) => type === 'uts')) return;
  for (const [name, value] of Object.entries({ hostname, domainname }))
    if (value) refuse(name, "it would be the host's: there is no uts namespace in linux.namespaces");
}

function refuseOfLinux(linux: BundleLinux, mounts: BundleConfig['mounts']): void {
  if (linux.devices.length > 0 && !mounts.some(({ destination }) => posix.join('/', destination) === '/dev'))
    refuse('linux.devices', 'devices are made in a new file system on /dev, and mounts has none');
  const { namespaces, timeOffsets, mountLabel, intelRdt, personality, memoryPolicy, netDevices } = linux;
  const user = namespaces.findIndex(({ type, path }) => type === 'user' && (path ?? '') !== '');
  if (user >= 0) refuse(`linux.namespaces[${user}]`, 'a user namespace that is there is not joined');
  const pid = namespaces.findIndex(({ type, path }) => type === 'pid' && (path ?? '') !== '');
  if (pid >= 0 && namespaces.some(({ type }) => type === 'user'))
    refuse(`linux.namespaces[${pid}]`, 'a container with a user namespace of its own joins no pid namespace');
  const hasOwnTime = namespaces.some(({ type, path }) => type === 'time' && !path);
  if (!hasOwnTime && timeOffsets !== undefined && Object.keys(timeOffsets).length > 0)
    refuse('linux.timeOffsets', 'clocks are set in a new time namespace alone, and linux.namespaces has none');
  if (namespaces.every(({ type, path }) => type !== 'mount' || (path ?? '') !== ''))
    refuse('linux.namespaces', 'a container without a mount namespace of its own can not be made');
  if (mountLabel) refuse('linux.mountLabel', 'SELinux labels are not set');
  for (const [name, value] of Object.entries({ intelRdt, memoryPolicy })) if (value !== undefined) refuse(`linux.${name}`, NOT_YET);
  if (personality !== undefined && personality.flags.length > 0) refuse('linux.personality.flags', 'the specification has none');
  if (netDevices !== undefined && Object.keys(netDevices).length > 0) refuse('linux.netDevices', NOT_YET);
  const { blockIO, memory } = linux.resources ?? {};
  if (blockIO !== undefined && blockIO.weightDevice.length > 0) refuse('linux.resources.blockIO.weightDevice', NOT_YET);
  if (blockIO?.leafWeight) refuse('linux.resources.blockIO.leafWeight', 'the kernel has no such file since Linux 5.0');
  if (memory?.disableOOMKiller) refuse('linux.resources.memory.disableOOMKiller', NOT_YET);
  if (memory?.kernel !== undefined && memory.kernel > 0)
    refuse('linux.resources.memory.kernel', "memory.limit counts the kernel's part too");
  if (memory?.kernelTCP !== undefined && memory.kernelTCP > 0) refuse('linux.resources.memory.kernelTCP', NOT_YET);
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

/** The same for the process alone, which `exec` has. @throws UnsupportedError */
export function refuseOfProcess({ apparmorProfile, selinuxLabel, scheduler, execCPUAffinity }: BundleProcess): void {
  if (scheduler !== undefined && scheduler.flags.length > 0) refuse('process.scheduler.flags', NOT_YET);
  if (apparmorProfile) refuse('process.apparmorProfile', 'AppArmor profiles are not set');
  if (selinuxLabel) refuse('process.selinuxLabel', 'SELinux labels are not set');
  if (execCPUAffinity !== undefined) refuse('process.execCPUAffinity', NOT_YET);
}

/** A process under SCHED_DEADLINE starts no other (sched(7)). @throws UnsupportedError where the program is a child of the process that has the rights */
export function refuseDeadline({ scheduler }: BundleProcess, isChild: boolean): void {
  if (isChild && scheduler?.policy === 'SCHED_DEADLINE')
    refuse('process.scheduler.policy', 'SCHED_DEADLINE lets no process start another, as it takes in a user or a joined pid namespace');
}

const NOT_YET = 'this runtime does not apply the field';

function refuse(path: string, reason: string): never {
  throw new UnsupportedError(`${path} of config.json`, reason);
}

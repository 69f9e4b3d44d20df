import { NacelleError, UnsupportedError } from '../../errors.js';
import type { BundleConfig, BundleLinux, BundleProcess } from '../../oci-config/config-schema.js';
import { namedCapabilities } from '../../oci-config/named-capabilities.js';
import type { Resources } from '../../oci-config/resources-schema.js';

/**
 * Refuses what config.json asks for and the options of a container can't say, by its path: a container that is less confined than it was
 * asked to be, or does less, is worse than none. Pure.
 *
 * @throws UnsupportedError
 */
export function refuseUnsaid(config: BundleConfig): void {
  const { hooks, process, linux } = config;
  for (const [kind, list] of Object.entries(hooks ?? {})) {
    if (list.length > 0) refuse(`hooks.${kind}`, 'a container has no hooks', 'Have its maker do the work before create, or after wait.');
  }
  if (process !== undefined) refuseOfProgram(process);
  if (linux === undefined || !linux.namespaces.some(({ type, path }) => type === 'mount' && !path))
    refuse('linux.namespaces', 'a container has a mount namespace of its own');
  refuseOfLinux(linux);
  if (linux.namespaces.some(({ type }) => type === 'uts')) return;
  for (const [name, value] of Object.entries({ hostname: config.hostname, domainname: config.domainname }))
    if (value) refuse(name, "it would be the host's: there is no uts namespace in linux.namespaces");
}

function refuseOfProgram(process: BundleProcess): void {
  const { capabilities, apparmorProfile, selinuxLabel, ioPriority, execCPUAffinity } = process;
  if ((capabilities?.inheritable.length ?? 0) > 0)
    refuse('process.capabilities.inheritable', 'no program of a container has any', 'Leave them out: see CVE-2022-29162.');
  const [bounding, permitted] = [capabilities?.bounding, capabilities?.permitted].map((names) => namedCapabilities(names).mask);
  // of another user execve takes them all, whatever they are
  if (process.user.uid === 0 && bounding !== permitted)
    refuse('process.capabilities.permitted', 'the permitted capabilities of root are those of the bounding set');
  for (const [name, value] of Object.entries({ apparmorProfile, selinuxLabel, ioPriority, execCPUAffinity }))
    if (value !== undefined && value !== '') refuse(`process.${name}`, NO_OPTION);
}

function refuseOfLinux(linux: BundleLinux): void {
  const {
    namespaces,
    timeOffsets,
    rootfsPropagation,
    mountLabel,
    intelRdt,
    personality,
    memoryPolicy,
    netDevices,
    resources,
    cgroupsPath,
  } = linux;
  if (rootfsPropagation && !['private', 'rprivate'].includes(rootfsPropagation))
    refuse('linux.rootfsPropagation', 'mounts in the root are private');
  // as an option, offsets make a namespace
  if (Object.keys(timeOffsets ?? {}).length > 0 && !namespaces.some(({ type, path }) => type === 'time' && !path))
    refuse('linux.timeOffsets', 'clocks are set in a new time namespace alone, and linux.namespaces has none');
  for (const [name, value] of Object.entries({ mountLabel, intelRdt, personality, memoryPolicy }))
    if (value !== undefined && value !== '') refuse(`linux.${name}`, NO_OPTION);
  if (Object.keys(netDevices ?? {}).length > 0) refuse('linux.netDevices', NO_OPTION);
  if (cgroupsPath?.startsWith('/'))
    refuse('linux.cgroupsPath', "groups are made below nacelle's own", 'Give a relative path, or leave it out.');
  if (cgroupsPath?.includes(':')) refuse('linux.cgroupsPath', 'it is a scope of systemd', 'Give a relative path, or leave it out.');
  if (resources !== undefined) refuseOfResources(resources);
}

/** Files of the unified tree that are options. */
export const UNIFIED = ['memory.high', 'memory.oom.group', 'misc.max'] as const;

function refuseOfResources({ memory, blockIO, unified = {} }: Resources): void {
  if (memory?.disableOOMKiller) refuse('linux.resources.memory.disableOOMKiller', NO_OPTION);
  if ((memory?.kernelTCP ?? 0) > 0) refuse('linux.resources.memory.kernelTCP', NO_OPTION);
  if ((blockIO?.weightDevice.length ?? 0) > 0) refuse('linux.resources.blockIO.weightDevice', NO_OPTION);
  if (blockIO?.leafWeight) refuse('linux.resources.blockIO.leafWeight', 'the kernel has no such file since Linux 5.0');
  for (const file of Object.keys(unified))
    if (!UNIFIED.some((name) => name === file)) refuse(`linux.resources.unified[${JSON.stringify(file)}]`, NO_OPTION);
}

const NO_OPTION = 'no option of a container says it';

/** @param path the field of config.json */
export function refuse(path: string, reason: string, fix?: string): never {
  throw new UnsupportedError(`${path} of config.json`, reason, fix);
}

/** @param path the field of config.json */
export function wrongField(path: string, problem: string): NacelleError {
  return new NacelleError(`${path} of config.json ${problem}`, { code: 'ERR_INVALID_OPTION' });
}

import { namespaceNames, namespaceTypeOf } from '../../oci-config/namespace-names.js';
import { policyNamed } from '../../oci-config/process-scheduler.js';
import { allCapabilities, type CapabilityMask } from '../../plan/capability-names.js';
import type { IdMap } from '../../plan/user-maps.js';
import { namesOf } from '../../security/capabilities.js';
import type { SeccompProfile } from '../../security/oci-profile/profile-types.js';
import { defaultDeviceRules } from '../../security/paths.js';
import { type Rlimit, resolveUlimits, unlimited } from '../../security/rlimits.js';
import type { ConfigForm, LinuxForm, MountForm, ProcessForm } from './config-form.js';
import { type Bundled, leftOut } from './left-out.js';
import { mountOfCaller, mountsOfTable } from './mounts-of-container.js';
import { resourcesOfLimits } from './resources-of-limits.js';

/** Whom a program runs as, looked up. */
export interface BundleUser {
  readonly uid: number;
  readonly gid: number;
  /** Supplementary groups, in the order in which the kernel has them. */
  readonly groups: readonly number[];
}

/** What of a container goes into a bundle. */
export interface BundleInput {
  readonly record: Bundled;
  readonly user: BundleUser;
  /** The root's folder: absolute, or below the bundle. */
  readonly root: string;
  /** The filter; `null` for none. */
  readonly seccomp: SeccompProfile | null;
}

/** A container as config.json (runtime-spec 1.3, config.md and config-linux.md), and the options that it can't say, by their names. Pure. */
export function configOfContainer(input: BundleInput): { readonly config: ConfigForm; readonly left: readonly string[] } {
  const { record, root } = input;
  const { options, labels, bundle } = record;
  const rules = [
    ...defaultDeviceRules,
    ...record.devices.map(({ type, major, minor, access }) => ({ type, major, minor, access, allow: true })),
  ];
  const { resources, left } = resourcesOfLimits(record.limits, [...rules, ...(record.limits.deviceRules ?? [])]);
  const callers = bundle.mounts.map((mount) => ({ mount, form: mountOfCaller(mount) }));
  const ownNames = options.namespaces.uts === 'new';
  const mounts = [...mountsOfTable(bundle.table), ...callers.flatMap(({ form }) => (form === null ? [] : [form]))];
  const linux = { ...linuxOf(input), resources };
  return {
    config: {
      ociVersion: versionOf(input, { mounts, linux }),
      root: { path: root, readonly: options.readOnly },
      process: processOf(input),
      ...(ownNames ? { hostname: options.hostname } : {}),
      ...(options.domainname === null ? {} : { domainname: options.domainname }),
      mounts,
      ...(Object.keys(labels).length === 0 ? {} : { annotations: labels }),
      linux,
    },
    left: [...leftOut(record), ...left, ...callers.flatMap(({ mount, form }) => (form === null ? [`mounts (${mount.target})`] : []))],
  };
}

/** The oldest version of the spec that has all that is said: some runtimes refuse a config.json that is newer than they are. */
function versionOf(
  { record: { options, limits, program }, seccomp }: BundleInput,
  { mounts, linux: { resources } }: { readonly mounts: readonly MountForm[]; readonly linux: LinuxForm },
): string {
  const isNewer =
    options.domainname !== null ||
    options.namespaces.time !== 'host' ||
    [program.scheduler, limits.cpuIdle, limits.cpuBurst, resources?.unified].some((option) => option !== undefined) ||
    (seccomp !== null && isNewerFilter(seccomp)) ||
    mounts.some((mount) => mount.options?.includes('rro') ?? false);
  return isNewer ? '1.1.0' : '1.0.2';
}

function isNewerFilter({ defaultAction, defaultErrnoRet, syscalls }: SeccompProfile): boolean {
  const rules = [{ action: defaultAction, errnoRet: defaultErrnoRet }, ...(syscalls ?? [])];
  return rules.some(
    ({ action, errnoRet }) => errnoRet !== undefined || action === 'SCMP_ACT_KILL_PROCESS' || action === 'SCMP_ACT_KILL_THREAD',
  );
}

function processOf({ record: { command, program, options }, user }: BundleInput): ProcessForm {
  const { capabilities, noNewPrivileges, scheduler, umask } = program;
  return {
    terminal: options.tty !== null,
    ...(options.tty === null ? {} : { consoleSize: { height: options.tty.rows, width: options.tty.columns } }),
    user: { uid: user.uid, gid: user.gid, umask, additionalGids: [...user.groups] },
    args: [...command],
    env: [...program.env],
    cwd: program.cwd,
    capabilities: capabilitiesOf(capabilities),
    rlimits: resolveUlimits(program.ulimits ?? {}).map(rlimitOf),
    noNewPrivileges,
    ...(program.oomScoreAdj === null ? {} : { oomScoreAdj: program.oomScoreAdj }),
    ...(scheduler === undefined ? {} : { scheduler: { ...scheduler, policy: policyNamed(scheduler.policy) } }),
  };
}

/** Inheritable and ambient ones are none: a user other than root starts without any, as by the options. */
function capabilitiesOf(mask: CapabilityMask): NonNullable<ProcessForm['capabilities']> {
  const names = namesOf(mask & allCapabilities).map((name) => `CAP_${name}`);
  return { bounding: names, effective: names, permitted: names };
}

function rlimitOf({ name, soft, hard }: Rlimit): NonNullable<ProcessForm['rlimits']>[number] {
  const number = (value: bigint): number => (value === unlimited ? 2 ** 64 : Number(value));
  return { type: `RLIMIT_${name.toUpperCase()}`, soft: number(soft), hard: number(hard) };
}

function linuxOf({ record, seccomp }: BundleInput): LinuxForm {
  const { options, userns, devices, bundle } = record;
  const types = namespaceNames.flatMap((type) => {
    const mode = options.namespaces[namespaceTypeOf[type]];
    return mode === 'host' && !(type === 'user' && userns !== null) ? [] : [{ type }];
  });
  return {
    namespaces: types,
    ...(userns === null ? {} : { uidMappings: userns.uid.map(mappingOf), gidMappings: userns.gid.map(mappingOf) }),
    ...(options.timeOffsets === null
      ? {}
      : { timeOffsets: { monotonic: offsetOf(options.timeOffsets.monotonic), boottime: offsetOf(options.timeOffsets.boottime) } }),
    ...(bundle.cgroup === null ? {} : { cgroupsPath: bundle.cgroup }),
    devices: devices.map(({ path, type, major, minor, mode }) => ({ path, type, major, minor, fileMode: mode, uid: 0, gid: 0 })),
    sysctl: options.sysctls,
    maskedPaths: options.maskedPaths,
    readonlyPaths: options.readonlyPaths,
    ...(seccomp === null ? {} : { seccomp: { ...seccomp } }),
  };
}

function mappingOf({ inside, outside, count }: IdMap): { containerID: number; hostID: number; size: number } {
  return { containerID: inside, hostID: outside, size: count };
}

/** ms as whole seconds and the nanoseconds after them, which the kernel wants from 0 up (time_namespaces(7)). */
function offsetOf(ms: number): { secs: number; nanosecs: number } {
  const secs = Math.floor(ms / 1000);
  const nanosecs = Math.round((ms - secs * 1000) * 1e6);
  return nanosecs === 1e9 ? { secs: secs + 1, nanosecs: 0 } : { secs, nanosecs };
}

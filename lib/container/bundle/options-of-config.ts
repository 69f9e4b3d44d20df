import { posix } from 'node:path';
import type { Namespace } from '../../namespace/namespace.js';
import type { BundleConfig, BundleDevice, BundleLinux, BundleProcess } from '../../oci-config/config-schema.js';
import { namedCapabilities } from '../../oci-config/named-capabilities.js';
import { namespaceNames, namespaceTypeOf } from '../../oci-config/namespace-names.js';
import { schedulerOf } from '../../oci-config/process-scheduler.js';
import { refuse, refuseUnsaid, wrongField } from '../../oci-config/refused.js';
import type { NamespaceType } from '../../plan/namespace-types.js';
import { NONE } from '../../plan/plan.js';
import type { IdMap } from '../../plan/user-maps.js';
import { namesOf } from '../../security/capabilities.js';
import type { SeccompProfile } from '../../security/oci-profile/profile-types.js';
import { defaultDevices } from '../../security/paths.js';
import type { ContainerNamespaces, ContainerOptions, DeviceMapping } from '../options/container-types.js';
import { defaultMounts } from '../plan/default-mounts.js';
import { deviceRulesOfConfig, limitsOfConfig, type NumberedDevice, ulimitsOfConfig } from './limits-of-config.js';
import { mountsOfConfig } from './mounts-of-config.js';
import { mountsOfTable } from './mounts-of-container.js';

/** What of this machine the options of a bundle depend on. */
export interface ConfigFacts {
  /** The bundle's folder, absolute. */
  readonly bundle: string;
  /** Those that config.json gives by a path, opened. */
  readonly namespaces: ReadonlyMap<NamespaceType, Namespace>;
  /** A device of this machine with these numbers, and its permission bits; `null` where there is none. */
  readonly findDevice: (device: NumberedDevice & { readonly path: string }) => { readonly path: string; readonly mode: number } | null;
  /** linux.seccomp with exact numbers. */
  readonly seccomp: SeccompProfile | 'default' | null;
}

/**
 * A checked config.json as options of a container. Pure.
 *
 * @throws UnsupportedError for what options can't say, by the path of the field; NacelleError `ERR_INVALID_OPTION`
 */
export function optionsOfConfig(config: BundleConfig, facts: ConfigFacts): ContainerOptions {
  refuseUnsaid(config);
  const { process, root, linux, annotations = {} } = config;
  if (process === undefined) throw wrongField('process', 'is missing: a container has a program');
  if (linux === undefined) throw wrongField('linux', 'is missing');
  const { named, own } = namespacesOf(linux, facts);
  const userns = usernsOf(linux, facts);
  const devices = devicesOf(linux, facts);
  const { access, rules } = deviceRulesOfConfig(linux.resources, devices);
  const mounts = mountsOfConfig(config.mounts, ownMounts(own, userns), facts.bundle);
  const ulimits = ulimitsOfConfig(process);
  return without<ContainerOptions>({
    rootfs: posix.resolve(facts.bundle, root.path),
    readOnly: root.readonly === true ? true : undefined,
    ...programOf(process),
    hostname: config.hostname || undefined,
    domainname: config.domainname || undefined,
    labels: Object.keys(annotations).length === 0 ? undefined : annotations,
    namespaces: Object.keys(named).length === 0 ? undefined : named,
    userns,
    timeOffsets: timeOffsetsOf(linux),
    cgroup: linux.cgroupsPath || undefined,
    mounts: mounts.length === 0 ? undefined : mounts,
    seccomp: facts.seccomp === null ? 'unconfined' : facts.seccomp === 'default' ? undefined : facts.seccomp,
    maskedPaths: linux.maskedPaths,
    readonlyPaths: linux.readonlyPaths,
    sysctls: linux.sysctl === undefined || Object.keys(linux.sysctl).length === 0 ? undefined : linux.sysctl,
    devices: devices.length === 0 ? undefined : devices.map((device, index) => mappingOf(device, access[index] ?? 'm')),
    ...(linux.resources === undefined ? {} : limitsOfConfig(linux.resources)),
    deviceRules: rules.length === 0 ? undefined : rules,
    ulimits,
    scheduler: schedulerOf(process),
  });
}

function programOf(process: BundleProcess): ContainerOptions {
  const { user, args, cwd, capabilities, consoleSize, terminal, oomScoreAdj, noNewPrivileges } = process;
  const groups = [...new Set(user.additionalGids)].filter((gid) => gid !== user.gid);
  return {
    command: args,
    env: environmentOf(process),
    cwd,
    user: `${user.uid}:${user.gid}`,
    groupAdd: groups.length === 0 ? undefined : groups,
    umask: user.umask === 0o022 ? undefined : user.umask,
    tty: terminal ? sizeOf(consoleSize) : undefined,
    capDrop: ['ALL'],
    capAdd: namesOf(namedCapabilities(capabilities?.bounding).mask),
    noNewPrivileges: noNewPrivileges ? undefined : false,
    oomScoreAdj,
  };
}

/** A terminal of no size is one that its other end has yet to say. */
function sizeOf(size: BundleProcess['consoleSize']): ContainerOptions['tty'] {
  return size === undefined || size.width === 0 || size.height === 0 ? true : { columns: size.width, rows: size.height };
}

/** The environment is that of config.json alone: what containers have else is taken out. Of several entries with a name the last counts. */
function environmentOf({ env, terminal }: BundleProcess): Record<string, string | undefined> {
  const entries = env.map((entry, index) => {
    const at = entry.indexOf('=');
    if (at <= 0) throw wrongField(`process.env[${index}]`, 'must be NAME=value');
    return [entry.slice(0, at), entry.slice(at + 1)] as const;
  });
  const none = { PATH: undefined, HOSTNAME: undefined, ...(terminal ? { TERM: undefined } : {}) };
  return { ...none, ...Object.fromEntries(entries) };
}

/** Of types that are not there the host's; a container has new ones of all but time. */
function namespacesOf(
  { namespaces }: BundleLinux,
  facts: ConfigFacts,
): { readonly named: ContainerNamespaces; readonly own: OwnNamespaces } {
  const own: Record<string, 'new' | 'host' | Namespace> = {};
  for (const name of namespaceNames) {
    if (name === 'mount' || name === 'user') continue;
    const type = namespaceTypeOf[name];
    const found = namespaces.find((namespace) => namespace.type === name);
    own[type] = facts.namespaces.get(type) ?? (found === undefined ? 'host' : 'new');
  }
  const usual = ([name, value]: readonly [string, unknown]): boolean => value === (name === 'time' ? 'host' : 'new');
  const user = facts.namespaces.get('user');
  const named = Object.fromEntries(Object.entries(own).filter((entry) => !usual(entry)));
  return { named: { ...named, ...(user === undefined ? {} : { user }) }, own: { net: own.net ?? 'new', ipc: own.ipc ?? 'new' } };
}

/** The namespaces on which the mounts of every container depend. */
interface OwnNamespaces {
  readonly net: 'new' | 'host' | Namespace;
  readonly ipc: 'new' | 'host' | Namespace;
}

/** What such a container has mounted by itself. The tree of groups is there on cgroup v2 alone, and read-only; elsewhere it is left out. */
function ownMounts({ net, ipc }: OwnNamespaces, userns: ContainerOptions['userns']): ReturnType<typeof mountsOfTable> {
  const base = { mnt: 'new', pid: 'new', uts: 'new', cgroup: 'new', time: 'host' } as const;
  const { mounts } = defaultMounts({
    options: {
      namespaces: { ...base, user: typeof userns === 'object' ? 'new' : 'host', net, ipc },
      ...{ mounts: [], readOnly: false, maskedPaths: [], readonlyPaths: [] },
    },
    ...{ ownProc: true, unified: true, files: { hosts: '', hostname: '', resolvConf: '' }, devices: [] },
    userns: typeof userns === 'object' ? { kind: 'given', fd: NONE, back: null, ...userns } : { kind: 'none' },
  });
  return mountsOfTable(mounts);
}

function usernsOf(linux: BundleLinux, { namespaces }: ConfigFacts): { uid: IdMap[]; gid: IdMap[] } | undefined {
  const { uidMappings, gidMappings } = linux;
  const isNew = linux.namespaces.some(({ type }) => type === 'user') && !namespaces.has('user');
  const given = Object.entries({ uidMappings, gidMappings }).filter(([, maps]) => maps.length > 0);
  if (!isNew) {
    const [first] = given;
    if (first !== undefined) throw wrongField(`linux.${first[0]}`, 'needs a new namespace of the type user');
    return undefined;
  }
  if (given.length < 2) throw wrongField('linux.uidMappings', 'must map ids of users, and linux.gidMappings those of groups');
  const of = (maps: typeof uidMappings): IdMap[] =>
    maps.map(({ containerID, hostID, size }) => ({ inside: containerID, outside: hostID, count: size }));
  return { uid: of(uidMappings), gid: of(gidMappings) };
}

function timeOffsetsOf({ timeOffsets }: BundleLinux): ContainerOptions['timeOffsets'] {
  if (timeOffsets === undefined || Object.keys(timeOffsets).length === 0) return undefined;
  const of = (clock: 'monotonic' | 'boottime'): number => {
    const { secs = 0, nanosecs = 0 } = timeOffsets[clock] ?? {};
    return secs * 1000 + nanosecs / 1e6;
  };
  return { monotonic: of('monotonic'), boottime: of('boottime') };
}

interface FoundDevice extends NumberedDevice {
  /** On this machine. */
  readonly source: string;
  readonly target: string;
}

/** Devices but those that every container has, as it has them. A device is shown as this machine has it: with its mode, and as root's. */
function devicesOf({ devices }: BundleLinux, { findDevice }: ConfigFacts): FoundDevice[] {
  return devices.flatMap((device, index): FoundDevice[] => {
    const at = `linux.devices[${index}]`;
    const target = posix.normalize(device.path);
    const numbered = numbersOf(device, at);
    const own = defaultDevices.find((known) => known.path === target && isSame(known, numbered));
    const found = own ?? findDevice({ ...numbered, path: device.path });
    if (found === null) return refuse(at, `this machine has no device ${numbered.type} ${numbered.major}:${numbered.minor} in /dev`);
    const { path: source, mode } = found;
    if (device.fileMode !== undefined && (device.fileMode & 0o777) !== mode)
      refuse(
        `${at}.fileMode`,
        `a device has the mode that it has ${own === undefined ? 'on this machine' : 'in every container'}, which is 0${mode.toString(8)}`,
      );
    for (const name of ['uid', 'gid'] as const) if (device[name]) refuse(`${at}.${name}`, "a device is root's");
    return own === undefined ? [{ ...numbered, source, target }] : [];
  });
}

function isSame(one: NumberedDevice, other: NumberedDevice): boolean {
  return one.type === other.type && one.major === other.major && one.minor === other.minor;
}

function numbersOf({ type, major, minor }: BundleDevice, at: string): NumberedDevice {
  if (type === 'p') return refuse(`${at}.type`, 'a named pipe is not made');
  if (major === undefined || minor === undefined) throw wrongField(`${at}.major`, 'is missing, or minor is');
  return { type: type === 'b' ? 'b' : 'c', major, minor };
}

function mappingOf({ source, target }: FoundDevice, access: string): DeviceMapping {
  return { path: source, ...(target === source ? {} : { target }), ...(access === 'rwm' ? {} : { access }) };
}

function without<T extends object>(value: T): T {
  return Object.fromEntries(Object.entries(value).filter(([, part]) => part !== undefined)) as T;
}

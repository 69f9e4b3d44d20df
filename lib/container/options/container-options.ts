import type { Cgroup } from '../../cgroup/cgroup.js';
import type { OverlayFs } from '../../filesystem/overlay-fs.js';
import { refuseFolderSize } from '../../host/folder-quota.js';
import { privilege } from '../../host/privilege.js';
import type { Image } from '../../image/image.js';
import type { WantedNetwork } from '../../network/bridge/attach-network.js';
import type { ParsedEgress } from '../../network/egress/egress-options.js';
import type { AskedPort } from '../../network/ports/join-ports.js';
import type { GuardedPort } from '../../network/rules/guarded-port.js';
import { type ParsedBandwidth, parsedBandwidth } from '../../network/traffic/bandwidth.js';
import type { NetworkOwner } from '../../network/veth-options.js';
import { isLimit } from '../../options/limit-fields.js';
import type { ParsedLimits } from '../../options/limits.js';
import type { ProgressEvent } from '../../options/progress.js';
import type { NamespaceType } from '../../plan/namespace-types.js';
import { normaliseProcess } from '../../process/options/parsed-process.js';
import type { ParsedProcess } from '../../process/options/process-options.js';
import type { DenialListener } from '../../security/denials/denial-event.js';
import type { TcpPorts } from '../../security/landlock-rules.js';
import type { CheckedRun, ParsedDevice } from './container-schema.js';
import type { ParsedCopyIn } from './copy-in-option.js';
import { type ParsedRestart, parseRestart } from './lifecycle.js';
import type { GivenHealthcheck } from './lifecycle-options.js';
import type { ParsedMount } from './mount-flags.js';
import { tmpfsMount } from './mount-options.js';
import { aboveFirst, target } from './mount-target.js';
import { isNamespace } from './network-handles.js';
import { ParsedBefore } from './parsed-before.js';
import { askedPorts } from './ports-option.js';
import { MOUNT_FLAGS, type ProfileName, withProfile } from './profiles.js';
import { parseWithSchema } from './run-schema.js';
import { type ParsedSeccomp, parseSeccomp } from './seccomp-option.js';
import { checkUserMaps, type ParsedUserns } from './userns-option.js';
import { readUsual } from './usual-options.js';
import { ownerIn, wantedIn, withNamedNetwork } from './wanted-networks.js';
import { workingFolder } from './working-folder.js';

export type { ParsedCopyIn, ParsedDevice, ParsedMount };

export type PullPolicy = 'missing' | 'never' | 'always';

/** Where the root comes from. */
export type ParsedRoot =
  | {
      readonly type: 'image';
      readonly image: string | Image;
      readonly pull: PullPolicy;
      /** `null`: memory, where that can be. */
      readonly upper: 'tmpfs' | 'disk' | null;
      readonly upperSize: number | null;
    }
  | { readonly type: 'rootfs'; readonly rootfs: string | OverlayFs };

/** A namespace that is joined is given by its descriptor. */
export type ParsedNamespace = 'new' | 'host' | { readonly fd: number };

/** A detached container is removed at its end or not, and keeps so many segments of so many bytes as its log. */
export interface DetachOptions {
  readonly autoRemove: boolean;
  readonly logBytes: number;
  readonly logFiles: number;
}

/** A read-only file of the container's alone, which is bound at its target: what is in it lies in memory, and goes with the container. */
export interface OwnFile {
  /** Absolute and tidy, inside. */
  readonly target: string;
  readonly content: Uint8Array;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

/** What is mounted that the caller has asked for. */
interface AskedMounts {
  /** `mounts`, then `volumes`, then `tmpfs`, in the order given, but one above another before that; no target twice. */
  readonly mounts: readonly ParsedMount[];
  /** Folders that are made volumes as those that the image declares: they go with the container. Absolute. */
  readonly anonymousVolumes: readonly string[];
}

/** Checked options with every default filled in. `null` means that an option was not given, and that the image or the machine decides. */
export interface ParsedOptions extends AskedMounts {
  /** The same object for options that say the same, for as long as `ParsedBefore` keeps them. */
  readonly alike: object;
  /** The profile whose defaults the container has. */
  readonly profile: ProfileName | null;
  readonly root: ParsedRoot;
  readonly readOnly: boolean;
  readonly command: readonly string[] | null;
  readonly entrypoint: readonly string[] | null;
  readonly hostname: string | null;
  readonly domainname: string | null;
  readonly name: string | null;
  readonly labels: Readonly<Record<string, string>>;
  readonly init: boolean;
  /** All eight types; the option `network` is in `net` ('new': the loopback, and the links of `networks`). `mnt` is always 'new'; `user` is it with `userns`. */
  readonly namespaces: Readonly<Record<NamespaceType, ParsedNamespace>>;
  /** 'host' also where `namespaces.user` is joined. */
  readonly userns: ParsedUserns;
  /** ms. */
  readonly timeOffsets: { readonly monotonic: number; readonly boottime: number } | null;
  /** The container whose network is shared: `namespaces.net` is filled in when the new container is made. */
  readonly networkOf: NetworkOwner | null;
  /** The networks that it gets a link to. */
  readonly networks: readonly WantedNetwork[];
  /** It reaches what this machine reaches by pasta(1); it has no networks then. */
  readonly pasta: boolean;
  /** Of each link to these networks; `null`: no limit. */
  readonly bandwidth: ParsedBandwidth | null;
  /** The ports of this machine that lead to it. */
  readonly ports: readonly AskedPort[];
  /** The networks of that container, filled in as its namespace is. */
  readonly sharedNetworks: readonly string[];
  /** What may be sent by its links to them, filled in likewise. */
  readonly sharedGuards: readonly GuardedPort[];
  /** That container has a list of names that it reaches, filled in likewise. */
  readonly sharesEgress: boolean;
  /** That container has pasta(1), filled in likewise. */
  readonly sharesPasta: boolean;
  readonly cgroup: Cgroup | string | null;
  readonly cgroupParent: Cgroup | string | null;
  readonly dns: readonly string[];
  readonly extraHosts: Readonly<Record<string, string>>;
  /** Of this process's loopback. */
  readonly hostPorts: readonly number[];
  /** `null`: what its network lets out. */
  readonly egress: ParsedEgress | null;
  readonly copyIn: readonly (ParsedCopyIn & { readonly target: string })[];
  /** Files in memory that nothing of the root has: for this package's own use. */
  readonly files: readonly OwnFile[];
  readonly copyOut: readonly string[];
  /** Bytes. */
  readonly copyOutMax: number;
  readonly capAdd: readonly string[];
  readonly capDrop: readonly string[];
  readonly noNewPrivileges: boolean;
  readonly seccomp: ParsedSeccomp;
  /** `null`: the default list. */
  readonly maskedPaths: readonly string[] | null;
  /** `null`: the default list. */
  readonly readonlyPaths: readonly string[] | null;
  readonly sysctls: Readonly<Record<string, string>>;
  readonly devices: readonly ParsedDevice[];
  readonly oomScoreAdj: number | null;
  /** `null`: its program is not started again by itself. */
  readonly restart: ParsedRestart | null;
  /** `null`: the image's. */
  readonly healthcheck: GivenHealthcheck | null;
  /** `null`: it ends with this process. */
  readonly detached: DetachOptions | null;
  readonly onDenied: DenialListener | null;
  readonly isolation: 'namespaces' | 'landlock';
  /** `null`: as `network` says. */
  readonly tcpPorts: TcpPorts | null;
  readonly onUnsupported: 'error' | 'report';
  readonly onProgress: ((event: ProgressEvent) => void) | null;
  readonly limits: ParsedLimits;
  readonly process: ParsedProcess;
}

const parsedBefore = new ParsedBefore<ParsedOptions>();

/**
 * Checks RunOptions, or ContainerOptions, and fills in the defaults. Makes nothing; of the machine only a profile asks.
 *
 * @throws NacelleError `ERR_INVALID_OPTION`: a wrong option, or ones that can't go together; UnsupportedError
 */
export function parseRunOptions(options: unknown): ParsedOptions {
  const given = withNamedNetwork(options);
  const folder = workingFolder();
  if (folder === null) return parseAnew(given);
  let parsed = parsedBefore.find(given, folder);
  if (parsed === undefined) {
    parsed = parseAnew(given);
    parsedBefore.keep(given, folder, parsed);
  }
  // whoever lists a container gets its labels
  return { ...parsed, labels: { ...parsed.labels } };
}

/**
 * The same, without a look at what was checked before.
 *
 * @param isRoot whether its containers are root's
 */
export function parseAnew(given: unknown, isRoot = () => privilege().kind === 'root'): ParsedOptions {
  const value = withProfile(given, isRoot);
  const options = readUsual(value) ?? parseWithSchema(value);
  const profile = options.profile ?? null;
  const { mounts, anonymousVolumes } = mountsOf(options);
  return {
    alike: {},
    profile,
    root: rootOf(options),
    readOnly: options.readOnly ?? false,
    command: options.command ?? null,
    entrypoint: options.entrypoint ?? null,
    hostname: options.hostname ?? null,
    domainname: options.domainname ?? null,
    name: options.name ?? null,
    labels: options.labels ?? {},
    init: options.init ?? false,
    namespaces: namespacesOf(options),
    userns: usernsOf(options),
    timeOffsets: options.timeOffsets ? { monotonic: 0, boottime: 0, ...defined(options.timeOffsets) } : null,
    networkOf: ownerIn(options.network),
    networks: wantedIn(options),
    pasta: options.network === 'pasta',
    bandwidth: options.bandwidth ? parsedBandwidth(options.bandwidth) : null,
    ports: options.ports ? askedPorts(options.ports) : [],
    sharedNetworks: [],
    sharedGuards: [],
    sharesEgress: false,
    sharesPasta: false,
    cgroup: options.cgroup ?? null,
    cgroupParent: options.cgroupParent ?? null,
    dns: options.dns ?? [],
    extraHosts: options.extraHosts ?? {},
    hostPorts: options.hostPorts ?? [],
    egress: options.egress ?? null,
    mounts,
    anonymousVolumes,
    copyIn: Object.entries(options.copyIn ?? {}).map(([path, file]) => ({ target: target.parse(path), ...file })),
    files: [],
    copyOut: options.copyOut ?? [],
    copyOutMax: options.copyOutMax ?? 100 * 1024 ** 2,
    capAdd: options.capAdd ?? [],
    capDrop: options.capDrop ?? [],
    noNewPrivileges: options.noNewPrivileges ?? true,
    seccomp: parseSeccomp(options.seccomp),
    maskedPaths: options.maskedPaths ?? null,
    readonlyPaths: options.readonlyPaths ?? null,
    sysctls: options.sysctls ?? {},
    devices: options.devices ?? [],
    oomScoreAdj: options.oomScoreAdj ?? null,
    restart: parseRestart(options),
    healthcheck: options.healthcheck ?? null,
    detached: detachedOf(options),
    onDenied: options.onDenied ?? null,
    isolation: options.isolation ?? 'namespaces',
    tcpPorts: options.tcpPorts ?? null,
    onUnsupported: options.onUnsupported ?? 'error',
    onProgress: options.onProgress ?? null,
    limits: limitsOf(options),
    process: normaliseProcess(options, { pipesOnly: profile !== null }),
  };
}

function mountsOf(options: CheckedRun): AskedMounts {
  const wanted = aboveFirst([
    ...(options.mounts ?? []),
    ...(options.volumes ?? []),
    ...Object.entries(options.tmpfs ?? {}).map(([path, tmpfs]) => tmpfsMount(target.parse(path), tmpfs)),
  ]);
  const mounts = options.profile === undefined ? wanted : wanted.map(withoutRights);
  const isAnonymous = ({ type, source }: ParsedMount): boolean => type === 'volume' && source === null;
  return {
    mounts: mounts.filter((mount) => !isAnonymous(mount)),
    anonymousVolumes: mounts.filter(isAnonymous).map((mount) => mount.target),
  };
}

function detachedOf({ detach, autoRemove = false, logging }: CheckedRun): DetachOptions | null {
  if (!detach) return null;
  return { autoRemove, logBytes: logging?.maxSize ?? 10 * 1024 ** 2, logFiles: logging?.maxFiles ?? 3 };
}

/** What comes from outside neither raises rights nor opens devices, unless its options say that it may. */
function withoutRights(mount: ParsedMount): ParsedMount {
  const flags = MOUNT_FLAGS.filter((flag) => !mount.lifted?.has(flag));
  return { ...mount, flags: new Set([...mount.flags, ...flags]) };
}

function rootOf(options: CheckedRun): ParsedRoot {
  if (options.rootfs !== undefined) return { type: 'rootfs', rootfs: options.rootfs };
  const { image = 'host', pull = 'missing', upper = null, upperSize = null } = options;
  if (upper === 'disk' && upperSize !== null) refuseFolderSize("upperSize with upper 'disk'");
  return { type: 'image', image, pull, upper, upperSize };
}

function usernsOf({ userns = 'host' }: CheckedRun): ParsedUserns {
  if (typeof userns === 'object') checkUserMaps(userns);
  return userns;
}

function namespacesOf({ namespaces, network, timeOffsets, userns = 'host' }: CheckedRun): Record<NamespaceType, ParsedNamespace> {
  const own = { mnt: 'new', pid: 'new', net: 'new', ipc: 'new', uts: 'new', user: 'host', cgroup: 'new', time: 'host' } as const;
  const given: Partial<Record<NamespaceType, ParsedNamespace>> = defined(namespaces ?? {});
  if (timeOffsets) given.time = 'new';
  if (userns !== 'host') given.user = 'new';
  if (network === 'host') given.net = 'host';
  else if (isNamespace(network)) given.net = network;
  return { ...own, ...given };
}

/** The keys of Limits alone. */
function limitsOf(options: CheckedRun): ParsedLimits {
  return Object.fromEntries(Object.entries(options).filter(([name, value]) => isLimit(name) && value !== undefined));
}

/** Leaves out the keys whose value is undefined: they count as not given. */
function defined<T extends object>(value: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(value).filter(([, part]) => part !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
}

import type { Cgroup } from '../../cgroup/cgroup.js';
import type { OverlayFs } from '../../filesystem/overlay-fs.js';
import type { Image } from '../../image/image.js';
import type { Namespace } from '../../namespace/namespace.js';
import type { Network } from '../../network/bridge/network.js';
import type { EgressOptions } from '../../network/egress/egress-options.js';
import type { PortMapping } from '../../network/ports/port-mapping.js';
import type { Bandwidth } from '../../network/traffic/bandwidth.js';
import type { NetworkOwner } from '../../network/veth-options.js';
import type { Limits } from '../../options/limits.js';
import type { ProgressEvent } from '../../options/progress.js';
import type { Size } from '../../options/size.js';
import type { NamespaceType } from '../../plan/namespace-types.js';
import type { IdMap } from '../../plan/user-maps.js';
import type { CallOptions, Encoding, ProcessOptions, ProgramOptions, TerminalOptions } from '../../process/options/process-types.js';
import type { DenialEvent } from '../../security/denials/denial-types.js';
import type { SeccompProfile } from '../../security/oci-profile/profile-types.js';
import type { NetworkAttachment } from './network-option.js';

/** What a container is made of. Durations are ms, sizes bytes or docker strings ('256m'). */
export interface ContainerOptions<E extends Encoding = 'utf8'> extends Limits, ProcessOptions<E>, TerminalOptions {
  /**
   * The profile whose defaults the container has. 'untrusted': those for strangers' code, of which docs/security.md has the table: a user
   * namespace of its own, no capability, a root that can't be written to with a small tmpfs at /tmp, limits of memory, processes, time and
   * output, binds and volumes that are nosuid and nodev, and streams that are pipes of Node's alone. What is given beside it wins; in `tmpfs`
   * and `ulimits` key by key.
   *
   * Where one of these can't be had, such as `memory` for an ordinary user without a delegated group or a scope, it is an UnsupportedError as if it had
   * been given. Default: none.
   */
  profile?: 'untrusted' | undefined;
  /**
   * Its abort ends the making of the container: `create` rejects with its reason, and `run` has the status 'canceled'. Afterwards it ends the
   * program, status 'canceled', but for a container that is detached or started again (`restart`), whose program goes on.
   */
  cancelSignal?: AbortSignal | undefined;
  /** 'host', 'docker.io/library/alpine:3', 'sha256:HEX', 'oci:DIR:TAG', 'docker-archive:FILE', 'dir:ROOTFS'. This or `rootfs` is needed. */
  image?: string | Image | undefined;
  /**
   * When to pull an image that is given by a registry's name: when the store lacks it, never (`ERR_NO_IMAGE` then), or always. Default
   * 'missing'. What a registry needs beside its name (credentials, a certificate, a platform) is given to `Image.pull`, before.
   */
  pull?: 'missing' | 'never' | 'always' | undefined;
  /** A folder that is the root instead of an image; the program writes to the folder itself. */
  rootfs?: string | OverlayFs | undefined;
  /** Where changes to the image go: memory, charged to the container, or a folder on disk. Default 'tmpfs'; before Linux 6.6 'disk' for another user than root, for whom 'tmpfs' is `ERR_UNSUPPORTED` there. */
  upper?: 'tmpfs' | 'disk' | undefined;
  /** Size of a 'tmpfs' upper; with 'disk' it is refused (`ERR_UNSUPPORTED`), for the reason in `features().folderQuota`. Also refused for an ordinary user before Linux 6.6. Default half of the limit `memory`, else half of the machine's memory. */
  upperSize?: Size | undefined;
  /** The root can't be written to. Default false. */
  readOnly?: boolean | undefined;
  /** Default the image's. With `entrypoint` these are its arguments, as docker's. */
  command?: readonly string[] | undefined;
  /** Default the image's. When it is given, the image's own command is dropped, as docker does. */
  entrypoint?: readonly string[] | undefined;
  /** At most 64 bytes. Default the container's id. */
  hostname?: string | undefined;
  /** NIS domain name, at most 64 bytes. */
  domainname?: string | undefined;
  /**
   * By which `Container.list()` finds it, and so do containers on its networks: at most 128 letters, digits, '_', '.' and '-', the first a letter or digit.
   * `Container.attach()` finds a detached container by it, so no two of one user may have the same (`ERR_NAME_TAKEN`). Default: none.
   */
  name?: string | undefined;
  /** Texts by which `Container.list()` and `Container.events()` find it. Default: none. */
  labels?: Record<string, string> | undefined;
  /**
   * Default false: the program is process 1, and the kernel drops signals to it that it doesn't handle,
   * its own included (pid_namespaces(7)). true: our reaper is process 1 and tells the program's exact end.
   */
  init?: boolean | undefined;
  /** Default: all new but user and time. `mnt` is always new. */
  namespaces?: ContainerNamespaces | undefined;
  /**
   * The container's user namespace (user_namespaces(7)). Its root has all rights over the container and none over the host, where it is an
   * ordinary id. Files of the image, of volumes and of a rootfs have the owners inside that they have on disk: their mounts are mapped
   * (Linux 5.19; 6.3 where they lie on a tmpfs), nothing is chowned. Files of binds show as nobody's where their owner is not in the map.
   *
   * - 'host', the default: that of this process. An ordinary user's containers each have one of that user's ids instead; any other value is then
   *   an UnsupportedError.
   * - 'auto': a new one with 65,536 ids that no other container of this runtime folder has. They are taken from the ranges of `nacelle`, or else
   *   `containers`, in /etc/subuid and /etc/subgid; where neither has any, from 1,879,048,192 up.
   * - 'keep-id': the same, but the option `user`, which must be a number, is that user outside too, and its group that group. Files of
   *   binds that this user owns are its own inside.
   * - maps: ids of the caller's choice.
   *
   * Refused with an UnsupportedError where the image lies on a file system whose owners can't be mapped, such as overlay.
   */
  userns?: 'host' | 'auto' | 'keep-id' | { uid: readonly IdMap[]; gid: readonly IdMap[] } | undefined;
  /** ms added to the clocks (time_namespaces(7), Linux 5.6). The container then gets a new time namespace. */
  timeOffsets?: { monotonic?: number | undefined; boottime?: number | undefined } | undefined;
  /** The container's own group is made below this one, whose limits bind it too. A name may be a path below nacelle's own root: 'judge/7'. */
  cgroup?: Cgroup | string | undefined;
  /** The same by docker's name. Not together with `cgroup`. */
  cgroupParent?: Cgroup | string | undefined;
  /**
   * Default 'none': a network namespace with the loopback alone. A network's name, or the `Network`: a link to it, with an address of
   * its own (docs/networks.md); 'bridge' is there from its first use on. Several: a list of places in networks, of which the first that is
   * not internal has the default route. A container: its network, as long as its namespace lives. Networks need nf_tables; without root there are those of the driver bridge.
   * 'pasta', for any user: what this machine reaches, by the program pasta(1) of its own, and nobody reaches the container; an UnsupportedError where
   * pasta or /dev/net/tun is missing, ENETUNREACH with pasta's words where nothing leads out.
   *
   * Making the container fails with a `NacelleError`: `ERR_NO_NETWORK` and `ERR_NO_ADDRESS`, `EADDRINUSE` for an `ip` that another container has,
   * `ERR_SUBNET_TAKEN` and `ERR_NAME_TAKEN` where a link of others has the subnet or the bridge's name, `ERR_FORWARDING` where this machine would
   * lose its own routes, `ERR_FORWARD_POLICY` where the policy of others drops its packets; with vxlan, macvlan and ipvlan `ERR_NO_LINK` where the
   * parent has gone; with vxlan `ERR_VNI_TAKEN` where another link has its number by now; `CniError` and `ERR_CNI_RESULT` where plugins make it. An UnsupportedError: without
   * root for other drivers than bridge, and for the network of a container that is on one of macvlan, ipvlan or plugins of CNI, which can't be shared.
   */
  network?:
    | 'none'
    | 'host'
    | 'bridge'
    | 'pasta'
    | (string & {})
    | Network
    | Namespace
    | NetworkOwner
    | readonly NetworkAttachment[]
    | undefined;
  /** The address in its one network. Default: the next that is free. */
  ip?: string | undefined;
  /**
   * How fast each of its links to networks is, in bytes a second, from 1 KiB to 64 GiB; `egress` is what it sends, `ingress` what it receives.
   * Default: no limit. After a pause 25 ms' worth goes at once, 64 KiB at least. What is faster waits for such a burst and 25 ms more, and is
   * lost when it would have to wait longer.
   * Needs links of its own: the option `network` with networks, none of them of macvlan or ipvlan, and of those of plugins of CNI with the capability
   * bandwidth (`ERR_INVALID_OPTION`). The kernel must have sch_tbf, for `egress` also ifb, sch_ingress, cls_u32
   * and act_mirred (tc-tbf(8), tc-mirred(8)).
   */
  bandwidth?: Bandwidth | undefined;
  /**
   * Names by which others in its one network find it, beside its `name`, `hostname` and id, in lower case. Several containers may have one name:
   * who asks is told all addresses. Default: none.
   */
  aliases?: readonly string[] | undefined;
  /**
   * Ports of this machine that lead to the container's, as docker writes them: '8080:80', '127.0.0.1::53/udp', '9000-9010:9000-9010', '8000-8999:80'
   * for the first of these that is free, '[::]:8080:80'; without a port of this machine the kernel chooses a free one, which `inspect().ports` tells.
   * Needs a network with a bridge (the drivers bridge and vxlan) that is not internal, or one whose plugins of CNI have the capability portMappings: there each port needs
   * its number, and nobody holds it. The address is 127.0.0.1 unless one is given, unlike docker's: '0.0.0.0' or '::' shows the port to all who reach
   * this machine. With a bridge no other process gets such a port from the first moment on (docs/networks.md).
   *
   * Making the container fails with a `NacelleError`: `ERR_PORT_IN_USE`, which names who has the port; `ERR_INVALID_OPTION` for an address that is
   * none of this machine's, for one of a family of which the container has no address, unless it is at the loopback, and where all of its networks are internal,
   * or of macvlan or ipvlan; an UnsupportedError for a port below the setting `net.ipv4.ip_unprivileged_port_start` without root, where the program sees no
   * client's address but the network's own (docs/rootless.md).
   */
  ports?: readonly (string | PortMapping)[] | undefined;
  /**
   * Addresses of name servers, for /etc/resolv.conf. Default in a network: 127.0.0.11, which knows the names of the containers there and,
   * where not all of its networks are internal, asks the servers of this machine for others. Without a network: 127.0.0.11 as well, where
   * nobody answers until it joins one (`Network.connect`); else none, or the host's resolv.conf where the network is not its own.
   */
  dns?: readonly string[] | undefined;
  /** Name to address, for /etc/hosts. */
  extraHosts?: Record<string, string> | undefined;
  /**
   * TCP ports of this process's loopback that programs in the container reach at `host.nacelle.internal`, 198.19.255.254 (docs/networks.md), and no
   * others: 1 to 65535, at most 256. A connection goes to 127.0.0.1, or to ::1 where nobody listens there, in the network namespace of this
   * process; where nobody listens at either, the program's connection is reset. They work while the event loop is blocked, and after this
   * process for a detached container. Not with `network: 'host'`, a `Namespace` or a container: they are for a network namespace of its own.
   * Default: none.
   */
  hostPorts?: readonly number[] | undefined;
  /**
   * Names and subnets that its programs may connect to over TCP, and nothing else; no variables for proxies, and no program of its own inside
   * (docs/egress.md). For any user. It goes with the network 'none', which is the default, with networks that have a bridge, whose containers it
   * reaches too, and with `hostPorts`. `container.setEgress` changes it. Needs nf_tables with NAT in this machine's kernel. Default: none.
   *
   * Making the container fails with a `NacelleError` `ERR_INVALID_OPTION`: for an entry that is neither a name nor a subnet, and with `dns`, with any
   * other `network` or `namespaces.net` (networks of macvlan, ipvlan and plugins of CNI, the host's, a `Namespace`, a container), with `isolation: 'landlock'`. It fails
   * with a SyscallError where the kernel refuses the rules or addresses.
   */
  egress?: EgressOptions | undefined;
  /**
   * Mounts, made in this order, but for one above another: also where that is of `volumes` or `tmpfs`, the one above is made first. What is
   * set up (mount points, `copyIn`, a `cwd` that is made, files of /etc, the look-up of `user`) follows no link from one mount, or from the
   * image, into another mount that is no tmpfs: it fails with a `SyscallError` (`EXDEV`). The same holds for `volumes`.
   */
  mounts?: readonly Mount[] | undefined;
  /**
   * As docker's: '/host/dir:/data', '/host/dir:/data:ro'; 'name:/data' for a named volume (docs/volumes.md), 'name:/data:nocopy' for one
   * that takes nothing of the image; '/data' for one that goes with the container. A path with ':' needs `mounts`.
   */
  volumes?: readonly string[] | undefined;
  /** { '/t': 'size=8m,mode=1777' }: nosuid, nodev and noexec unless it says suid, dev or exec, as docker's. */
  tmpfs?: Record<string, string> | undefined;
  /**
   * Files to put into the container before its start, by absolute path inside. A string or bytes are the content. A folder that is made on
   * the way gets the owner of the file it is made for; one that is there already keeps its own. What goes to /etc/passwd, /etc/group or
   * /etc comes first, for `user` is looked up there.
   */
  copyIn?: Record<string, string | Uint8Array | CopyIn> | undefined;
  /**
   * Absolute paths inside, read after the end with no more right than the user's, and through no link. Missing ones are absent from
   * `result.files`; what can't be had is in `result.notCopied`.
   */
  copyOut?: readonly string[] | undefined;
  /** Bytes that `copyOut` brings at most; each file, folder and link that is found counts 1 KiB besides. Default '100m'. */
  copyOutMax?: Size | undefined;
  /**
   * Capabilities added to the default ones, with or without 'CAP_'; 'ALL' is all that this process holds. In a user namespace (`userns`, or
   * without root) 'ALL' is all capabilities, which count over the container alone.
   */
  capAdd?: readonly string[] | undefined;
  capDrop?: readonly string[] | undefined;
  /** Default true. */
  noNewPrivileges?: boolean | undefined;
  /**
   * Which system calls its programs may make. Beside nacelle's own list and none at all: a profile of docker or of the OCI runtime spec, or the
   * path of a file that has one as JSON, of at most 10 MiB, which is read at each start. A name with a typing mistake in a rule that allows is
   * in `inspect().process.unknownCalls`. Default 'default'.
   *
   * @throws NacelleError `ERR_INVALID_OPTION`: the profile is wrong, with the place, and the line of a file; UnsupportedError: `listenerPath`,
   * and SCMP_ACT_NOTIFY without `onDenied`
   */
  seccomp?: 'default' | 'unconfined' | SeccompProfile | (string & {}) | undefined;
  /**
   * Called for each system call that the filter refuses or kills for, of the container's own program and of those that `exec` runs from this
   * process, while it lives: a detached container's calls are answered without it too. A refusal by ENOSYS is not told, by which a program
   * learns that it must do without a call. What is allowed costs nothing; a refused call takes some 20 µs, for a process beside the program
   * answers it. No program inside can then have a listener of its own (SECCOMP_FILTER_FLAG_NEW_LISTENER: EBUSY). Linux 5.0
   */
  onDenied?: ((event: DenialEvent) => void) | undefined;
  /** Replaces the default list. */
  maskedPaths?: readonly string[] | undefined;
  /** Replaces the default list. */
  readonlyPaths?: readonly string[] | undefined;
  /** Sysctls of the container's own namespaces: { 'net.ipv4.ip_forward': '1' }. */
  sysctls?: Record<string, string> | undefined;
  /** '/dev/fuse', '/dev/sda:/dev/xvda:r'. */
  devices?: readonly (string | DeviceMapping)[] | undefined;
  /** -1,000 to 1,000. */
  oomScoreAdj?: number | undefined;
  /**
   * Default false. true: the container has a shim of its own and outlives this process; `Container.attach` finds it again from any process of
   * this user. What it writes goes to its log, so `stdout` and `stderr` can be 'pipe' or 'ignore' alone. It stays after its end, with its
   * files and logs, until it is removed.
   */
  detach?: boolean | undefined;
  /** A detached container is removed at its end. Default false. */
  autoRemove?: boolean | undefined;
  /** Default: its program runs once. Can't go with `timeout`, `cpuTimeLimit`, `tty` and `autoRemove`. */
  restart?: RestartPolicy | undefined;
  /** Default the image's. 'none': nobody looks after its health. */
  healthcheck?: Healthcheck | 'none' | undefined;
  /** How much of a detached container's log is kept: segments of at most `maxSize` ('10m'), the newest `maxFiles` (3) of them. */
  logging?: { maxSize?: Size | undefined; maxFiles?: number | undefined } | undefined;
  /**
   * Default 'namespaces'. 'landlock', which never comes unless it is asked for, confines a program where namespaces can't be had, for root and other
   * users alike: it sees the host's own files, of which rules allow some, and has none of its own. `result.notEnforced` lists all that it lacks; docs/landlock.md
   * says what it may reach, and which options can go with it. Linux 5.13.
   */
  isolation?: 'namespaces' | 'landlock' | undefined;
  /**
   * With `isolation: 'landlock'`, in place of `network`: the TCP ports that it may connect to, and listen on, at any address; no UDP, so no
   * look-up of names by DNS. Linux 6.7.
   */
  tcpPorts?: { connect?: readonly number[] | undefined; bind?: readonly number[] | undefined } | undefined;
  /** Default 'error': what can't be enforced rejects. 'report': it runs, and `result.notEnforced` lists it. */
  onUnsupported?: 'error' | 'report' | undefined;
  /** Called for each layer of an image that is pulled or unpacked for it. Default: nobody hears of it. */
  onProgress?: ((event: ProgressEvent) => void) | undefined;
}

/** Which namespaces a container has: new ones, the host's, or those of a handle. */
export type ContainerNamespaces = { [T in Exclude<NamespaceType, 'mnt' | 'user'>]?: 'new' | 'host' | Namespace | undefined } & {
  mnt?: 'new' | undefined;
  /** A Namespace: it is joined, and its root is the container's. For a new one give `userns`. */
  user?: 'host' | Namespace | undefined;
};

export interface RunOptions<E extends Encoding = 'utf8'>
  extends Omit<ContainerOptions<E>, 'detach' | 'autoRemove' | 'logging' | 'restart'>,
    CallOptions {}

/** How a program is run in a running container. What is not given is as for the container's own program. */
export interface ExecOptions<E extends Encoding = 'utf8'> extends ProgramOptions<E>, TerminalOptions {
  /**
   * With all capabilities of Node's process; in a user namespace (`userns`, or without root) with all capabilities, which count over the
   * container alone. The system call filter and `noNewPrivileges` stay. Default false.
   */
  privileged?: boolean | undefined;
  /**
   * Default false. true: the program goes on when this process ends, and what it leaves running in the background goes on after its end, until
   * the container ends. Its streams are then 'ignore', which is their default.
   */
  detach?: boolean | undefined;
  /** Limits of its own group, within those of the container; `ulimits` and `scheduler` replace the container's. */
  limits?: Limits | undefined;
}

/** When a container's program is started again by itself, by docker's times: after 100 ms, doubled each time up to a minute. */
export interface RestartPolicy {
  /** 'failure': after an exit code other than 0, or a signal. */
  on: 'failure' | 'always';
  /** How often, with on: 'failure'. Default: without end. */
  maxRetries?: number | undefined;
}

/** A command that tells by exit code 0 whether the container is healthy. Times are ms; what is not given is the image's, or docker's. */
export interface Healthcheck {
  /** ['CMD', program, …], ['CMD-SHELL', line for /bin/sh], or ['NONE']. */
  test: readonly string[];
  /** From the end of one check to the next. Default 30,000. */
  interval?: number | undefined;
  /** After which a check is killed, and has failed. Default 30,000. */
  timeout?: number | undefined;
  /** So long after a start failures don't count, until the first success. Default 0. */
  startPeriod?: number | undefined;
  /** In place of `interval` during `startPeriod`. Default 5,000. */
  startInterval?: number | undefined;
  /** Failures in a row that make it unhealthy. Default 3. */
  retries?: number | undefined;
  /** What an unhealthy container comes to; 'restart' is as by `container.restart()`. Default 'none'. */
  then?: 'none' | 'kill' | 'restart' | undefined;
}

/** As docker's `State.Health`. */
export interface ContainerHealth {
  readonly status: 'starting' | 'healthy' | 'unhealthy';
  /** Failures in a row. */
  readonly failingStreak: number;
  /** The last five checks, the oldest first. */
  readonly log: readonly {
    readonly startedAt: Date;
    readonly endedAt: Date;
    /** -1: it could not be run, or took too long. */
    readonly exitCode: number;
    /** Its first 4,096 bytes, as UTF-8; why it could not be run. */
    readonly output: string;
  }[];
}

export interface Mount {
  type: 'bind' | 'tmpfs' | 'volume' | 'image' | 'proc' | 'sysfs' | 'mqueue' | 'overlay';
  /**
   * Of a bind: an absolute path on the host. Of a volume: its name; it is made when it is missing, and goes with the container when none is
   * given. Of an image: its reference, as the option `image` has it.
   */
  source?: string | undefined;
  /** Absolute, in the container; made when missing. */
  target: string;
  readOnly?: boolean | undefined;
  /** Whether a bind shows the mounts below its source too, which `readOnly` makes read-only as well. Default true. */
  recursive?: boolean | undefined;
  /** Default 'rprivate' (mount_namespaces(7)). */
  propagation?: 'private' | 'rprivate' | 'slave' | 'rslave' | 'shared' | 'rshared' | undefined;
  /** As mount(8)'s: 'nosuid', 'nodev', 'noexec', 'ro'; for tmpfs 'size=8m' and the like; for a volume 'nocopy'. */
  options?: readonly string[] | undefined;
}

/** A file to put into the container: of `source` and `content` exactly one. */
export interface CopyIn {
  /** A file or folder on the host, absolute. Links in a folder are copied as links. */
  source?: string | undefined;
  /** What the file has, in the place of `source`: one of them has to be there. A text is written as UTF-8. */
  content?: string | Uint8Array | undefined;
  /** Default the source's, for content 0o644. */
  mode?: number | undefined;
  /** Default the container's user, or 0 for what goes to /etc/passwd, /etc/group or /etc. */
  uid?: number | undefined;
  /** Default as for `uid`. */
  gid?: number | undefined;
}

export interface DeviceMapping {
  path: string;
  /** Default the same path. */
  target?: string | undefined;
  /** Of 'r', 'w' and 'm'. Default 'rwm'. */
  access?: string | undefined;
}

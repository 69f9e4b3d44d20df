import type { Cgroup } from '../cgroup/cgroup.js';
import type { OverlayFs } from '../filesystem/overlay.js';
import type { Image } from '../image/image.js';
import type { IdMap } from '../namespace/idmap.js';
import type { Namespace } from '../namespace/namespace.js';
import type { Limits } from '../plan/limits.js';
import type { NamespaceType } from '../plan/namespaces.js';
import type { ProgressEvent } from '../plan/progress.js';
import type { Size } from '../plan/size.js';
import type { CallOptions, Encoding, ProcessOptions } from '../process/types.js';
import type { Container } from './container.js';

/** What a container is made of. Durations are ms, sizes bytes or docker strings ('256m'). */
export interface ContainerOptions<E extends Encoding = 'utf8'> extends Limits, ProcessOptions<E> {
  /** 'host', 'docker.io/library/alpine:3', 'sha256:HEX', 'oci:DIR:TAG', 'docker-archive:FILE', 'dir:ROOTFS'. This or `rootfs` is needed. */
  image?: string | Image;
  /**
   * When an image that is given by a registry's name is pulled: when the store lacks it, never (`ERR_NO_IMAGE` then), or always. Default
   * 'missing'. What a registry needs beside its name (credentials, a certificate, a platform) is said to `Image.pull`, before.
   */
  pull?: 'missing' | 'never' | 'always';
  /** Instead of an image: a folder, written to as it is. */
  rootfs?: string | OverlayFs;
  /** Where changes to the image go: memory, charged to the container, or a folder on disk. Default 'tmpfs'. */
  upper?: 'tmpfs' | 'disk';
  /** Of a 'tmpfs' upper. Default half of `memory`, else half of the machine's. */
  upperSize?: Size;
  /** The root can't be written to. Default false. */
  readOnly?: boolean;
  /** Default the image's. With `entrypoint`, its arguments, as docker's. */
  command?: string[];
  /** Default the image's; given, the image's own command is dropped, as docker does. */
  entrypoint?: string[];
  /** At most 64 bytes. Default the container's id. */
  hostname?: string;
  /** NIS domain name, at most 64 bytes. */
  domainname?: string;
  name?: string;
  labels?: Record<string, string>;
  /**
   * Default false: the program is process 1, and the kernel drops signals to it that it doesn't handle,
   * its own included (pid_namespaces(7)). true: our reaper is process 1 and tells the program's exact end.
   */
  init?: boolean;
  /** Default: all new but user and time. `mnt` is always new; a new user namespace is `userns`. */
  namespaces?: Partial<Record<NamespaceType, 'new' | 'host' | Namespace>>;
  /** ms added to the clocks (time_namespaces(7), Linux 5.6). Makes the time namespace new. */
  timeOffsets?: { monotonic?: number; boottime?: number };
  /** Default 'host': no user namespace. */
  userns?: 'host' | 'auto' | { uid: IdMap[]; gid: IdMap[] };
  /** Run in this group, which the limits are set on. A name may be a path below nacelle's own root: 'judge/7'. */
  cgroup?: Cgroup | string;
  /** Make the container's group below this one. */
  cgroupParent?: Cgroup | string;
  /** Default 'none': a network namespace with the loopback alone. */
  network?: 'none' | 'host' | 'bridge' | 'pasta' | Namespace | Container;
  ports?: (string | PortMapping)[];
  /** Addresses of name servers, for /etc/resolv.conf. */
  dns?: string[];
  /** Name to address, for /etc/hosts. */
  extraHosts?: Record<string, string>;
  mounts?: Mount[];
  /** As docker's: '/host/dir:/data', '/host/dir:/data:ro'. A path with ':' needs `mounts`. */
  volumes?: string[];
  /** { '/t': 'size=8m,mode=1777' }: nosuid, nodev and noexec unless it says suid, dev or exec, as docker's. */
  tmpfs?: Record<string, string>;
  /**
   * By absolute path inside, before start. A string or bytes are the content. Folders that are made on the way have the owner of what
   * they were made for; what is there already keeps its own. What goes to /etc/passwd, /etc/group or /etc comes first: there
   * `user` is looked up.
   */
  copyIn?: Record<string, string | Uint8Array | CopyIn>;
  /**
   * Absolute paths inside, read after the end with no more right than the user's, and through no link. Missing ones are absent from
   * `result.files`; what can't be had is in `result.notCopied`.
   */
  copyOut?: string[];
  /** Bytes that `copyOut` brings at most, paths and a few bytes for each file among them. Default '100m'. */
  copyOutMax?: Size;
  /** Added to the default ones. With or without 'CAP_'; 'ALL'. */
  capAdd?: string[];
  capDrop?: string[];
  /** Default true. */
  noNewPrivileges?: boolean;
  /** Default 'default'. */
  seccomp?: 'default' | 'unconfined' | SeccompProfile;
  /** Replaces the default list. */
  maskedPaths?: string[];
  /** Replaces the default list. */
  readonlyPaths?: string[];
  /** Of the container's own namespaces: { 'net.ipv4.ip_forward': '1' }. */
  sysctls?: Record<string, string>;
  /** '/dev/fuse', '/dev/sda:/dev/xvda:r'. */
  devices?: (string | DeviceMapping)[];
  /** -1,000 to 1,000. */
  oomScoreAdj?: number;
  detach?: boolean;
  /** Default 'error': what can't be enforced rejects. 'report': it runs, and `result.notEnforced` lists it. */
  onUnsupported?: 'error' | 'report';
  onProgress?: (event: ProgressEvent) => void;
}

export interface RunOptions<E extends Encoding = 'utf8'> extends ContainerOptions<E>, CallOptions {}

/** A container of this process, as `Container.list()` gives it. */
export interface ContainerInfo {
  readonly id: string;
  readonly name: string | null;
  readonly pid: number;
  readonly state: 'created' | 'running' | 'paused' | 'stopped';
  readonly command: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  readonly createdAt: Date;
}

export interface Mount {
  type: 'bind' | 'tmpfs' | 'volume' | 'proc' | 'sysfs' | 'mqueue' | 'overlay';
  /** Of a bind: absolute, on the host. */
  source?: string;
  /** Absolute, in the container; made when missing. */
  target: string;
  readOnly?: boolean;
  /** Of a bind: mounts below it too, read-only ones as well. Default true. */
  recursive?: boolean;
  /** Default 'rprivate' (mount_namespaces(7)). */
  propagation?: 'private' | 'rprivate' | 'slave' | 'rslave' | 'shared' | 'rshared';
  /** As mount(8)'s: 'nosuid', 'nodev', 'noexec', 'ro'; for tmpfs 'size=8m' and the like. */
  options?: string[];
}

/** A file to put into the container: of `source` and `content` exactly one. */
export interface CopyIn {
  /** A file or folder on the host, absolute. Links in a folder are copied as links. */
  source?: string;
  content?: string | Uint8Array;
  /** Default the source's, for content 0o644. */
  mode?: number;
  /** Default the container's user; of what goes to /etc/passwd, /etc/group or /etc: 0. */
  uid?: number;
  /** Likewise. */
  gid?: number;
}

export interface DeviceMapping {
  path: string;
  /** Default the same path. */
  target?: string;
  /** Of 'r', 'w' and 'm'. Default 'rwm'. */
  access?: string;
}

export interface PortMapping {
  container: number;
  /** Default one that is free. */
  host?: number;
  /** Default all. */
  address?: string;
  protocol?: 'tcp' | 'udp';
}

/** An OCI runtime-spec seccomp profile. */
export interface SeccompProfile {
  defaultAction: string;
  defaultErrnoRet?: number;
  architectures?: string[];
  syscalls?: {
    names: string[];
    action: string;
    errnoRet?: number;
    args?: { index: number; value: number; valueTwo?: number; op: string }[];
  }[];
}

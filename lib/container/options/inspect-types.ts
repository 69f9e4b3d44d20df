import type { PublishedPort } from '../../network/ports/port-mapping.js';
import type { Limits } from '../../options/limits.js';
import type { NamespaceType } from '../../plan/namespace-types.js';
import type { Encoding, RunResult, TerminalSize } from '../../process/options/process-types.js';
import type { ContainerHealth, Healthcheck, RestartPolicy } from './container-types.js';
import type { State } from './list-types.js';

/** What `container.inspect()` tells: the options as they were resolved, and where the container is. */
export interface ContainerInspect<E extends Encoding = 'utf8'> {
  id: string;
  name: string | null;
  labels: Record<string, string>;
  state: State;
  /** Of its first process, in Node's pid namespace; 0 after the end. */
  pid: number;
  createdAt: Date;
  /** When its program began to run, the last time; `null` before. */
  startedAt: Date | null;
  /** `null` for a root that is a folder. */
  image: { reference: string | null; digest: string } | null;
  /** As it is executed, the image's part included. */
  command: string[];
  detached: boolean;
  process: {
    user: string;
    /** Groups beside those that the user is in. */
    groupAdd: string[];
    cwd: string;
    env: Record<string, string>;
    umask: number;
    noNewPrivileges: boolean;
    /** 'profile': one that was given by the option. */
    seccomp: 'default' | 'unconfined' | 'profile';
    /** System calls of that profile that no kernel has, as far as is known here: their rules hold for nothing. The first 100. */
    unknownCalls: string[];
    /** The most that it can have: root has all of them, another user starts with none. */
    capabilities: string[];
  };
  /** Those that could be kept, as they are now, with `ulimits` and `scheduler`. */
  limits: Limits;
  /** Its group below nacelle's own, and the folders by controller. */
  cgroup: { name: string; paths: Record<string, string> };
  /**
   * The caller's mounts, then the image's volumes. A volume's `name` and folder (`source`); both `null` for one that goes with the
   * container.
   */
  mounts: { type: string; name: string | null; source: string | null; target: string; readOnly: boolean }[];
  /**
   * Its links to networks, with its addresses in CIDR notation, and the names by which others there find it. None for a container that shares
   * the network of another, whose links they are: `Container.list()` names the networks of both.
   */
  networks: { name: string; interface: string; mac: string; addresses: string[]; names: string[] }[];
  /** Ports of this machine that lead to it; none after its end. */
  ports: PublishedPort[];
  /** `null` for a container of an older version of this library, which noted less. */
  options: ResolvedOptions | null;
  notEnforced: { feature: string; reason: string }[];
  restart: RestartPolicy | null;
  /** How often its program was started again. */
  restartCount: number;
  /** `null` where nobody keeps watch on it. */
  health: ContainerHealth | null;
  /** How it ended; `null` before. */
  result: RunResult<E> | null;
}

/** Most options that are nowhere else, with every default filled in, by the image or by this library. Durations are ms, sizes bytes. */
export interface ResolvedOptions {
  /** The profile whose defaults the container has. */
  profile: 'untrusted' | null;
  isolation: 'namespaces' | 'landlock';
  /** With which `command` begins. */
  entrypoint: string[];
  /** The folder that is the root instead of an image. */
  rootfs: string | null;
  /** Where changes to the image go, and the size of a 'tmpfs'; `null` with `rootfs`. */
  upper: { type: 'tmpfs' | 'disk'; size: number | null } | null;
  readOnly: boolean;
  init: boolean;
  hostname: string;
  domainname: string | null;
  /** 'joined': that of a `Namespace` or of another container. */
  namespaces: Record<NamespaceType, 'new' | 'host' | 'joined'>;
  /** `null` for none, and where an older version of this library noted none. */
  timeOffsets: { monotonic: number; boottime: number } | null;
  /** 'bridge': it has links to the networks of `networks`. */
  network: 'none' | 'host' | 'joined' | 'bridge' | 'pasta';
  /** Bytes a second of each link; `null` for no limit. */
  bandwidth: { egress: number | null; ingress: number | null } | null;
  /** `null` where `network` says it all. */
  tcpPorts: { connect: number[]; bind: number[] } | null;
  dns: string[];
  extraHosts: Record<string, string>;
  /** Ports of the loopback of the process that has made it. */
  hostPorts: number[];
  /** `null`: its network alone says what it may reach. */
  egress: { allow: string[]; deny: string[] } | null;
  /** Options of each tmpfs by its target, as the option `tmpfs` has them. */
  tmpfs: Record<string, string>;
  devices: { path: string; target: string; access: string }[];
  sysctls: Record<string, string>;
  maskedPaths: string[];
  readonlyPaths: string[];
  tty: TerminalSize | null;
  timeout: number | null;
  cpuTimeLimit: number | null;
  /** What a time limit or a cancel sends. */
  killSignal: NodeJS.Signals | number;
  forceKillAfterDelay: number;
  /** `null`: this process's. */
  oomScoreAdj: number | null;
  /** What `stop()` sends. */
  stopSignal: NodeJS.Signals | number;
  /** `null`: nobody keeps watch on its health. */
  healthcheck: { [K in keyof Healthcheck]-?: Exclude<Healthcheck[K], undefined> } | null;
  /** `null` for a container that is not detached. */
  logging: { maxSize: number; maxFiles: number } | null;
  autoRemove: boolean;
}

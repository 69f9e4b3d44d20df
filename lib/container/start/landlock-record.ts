import { signalName } from '../../process/options/signals.js';
import type { Sockets } from '../../security/landlock-filter.js';
import type { ParsedOptions } from '../options/container-options.js';
import type { ResolvedOptions } from '../options/inspect-types.js';

/** The options of a program under Landlock, in the words in which they are given: nothing is mounted, and all namespaces are the host's. Pure. */
export function landlockOptions(
  { entrypoint, readOnly, process, oomScoreAdj, tcpPorts }: ParsedOptions,
  { hostname, stopSignal, sockets }: { hostname: string; stopSignal: number; sockets: Sockets },
): ResolvedOptions {
  const host = 'host' as const;
  return {
    profile: null,
    isolation: 'landlock',
    entrypoint: [...(entrypoint ?? [])],
    rootfs: null,
    upper: null,
    readOnly,
    init: false,
    hostname,
    domainname: null,
    namespaces: { mnt: host, pid: host, net: host, ipc: host, uts: host, user: host, cgroup: host, time: host },
    timeOffsets: null,
    network: sockets === 'host' ? host : 'none',
    bandwidth: null,
    tcpPorts: tcpPorts === null ? null : { connect: [...tcpPorts.connect], bind: [...tcpPorts.bind] },
    dns: [],
    extraHosts: {},
    hostPorts: [],
    egress: null,
    tmpfs: {},
    devices: [],
    sysctls: {},
    maskedPaths: [],
    readonlyPaths: [],
    tty: null,
    timeout: process.timeout,
    cpuTimeLimit: process.cpuTimeLimit,
    killSignal: signalName(process.killSignal) ?? process.killSignal,
    forceKillAfterDelay: process.forceKillAfterDelay,
    oomScoreAdj,
    stopSignal: signalName(stopSignal) ?? stopSignal,
    healthcheck: null,
    logging: null,
    autoRemove: false,
  };
}

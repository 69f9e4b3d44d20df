import { signalName } from '../../process/options/signals.js';
import type { ParsedNamespace } from '../options/container-options.js';
import type { ParsedHealth } from '../options/healthcheck.js';
import type { ResolvedOptions } from '../options/inspect-types.js';
import type { Prepared } from './prepare.js';

type ResolvedFrom = Pick<Prepared, 'options' | 'root' | 'entrypoint' | 'hostname' | 'table' | 'stopSignal' | 'healthcheck'>;

/** The options of a container as it was prepared, in the words in which they are given. Pure. */
export function resolvedOptions({ options, root, entrypoint, hostname, table, stopSignal, healthcheck }: ResolvedFrom): ResolvedOptions {
  const { readOnly, init, domainname, namespaces, dns, extraHosts, hostPorts, egress, mounts, devices, sysctls, process, detached } =
    options;
  // one that was made before the container, for plugins of CNI, is its own
  const net = options.networks.length > 0 ? 'new' : modeOf(namespaces.net);
  return {
    profile: options.profile,
    isolation: 'namespaces',
    entrypoint: [...entrypoint],
    rootfs: root.type === 'folder' ? root.path : null,
    upper: root.type === 'folder' ? null : root.disk === null ? { type: 'tmpfs', size: root.upperSize } : { type: 'disk', size: null },
    readOnly,
    init,
    hostname,
    domainname,
    namespaces: {
      mnt: modeOf(namespaces.mnt),
      pid: modeOf(namespaces.pid),
      net,
      ipc: modeOf(namespaces.ipc),
      uts: modeOf(namespaces.uts),
      user: modeOf(namespaces.user),
      cgroup: modeOf(namespaces.cgroup),
      time: modeOf(namespaces.time),
    },
    timeOffsets: options.timeOffsets === null ? null : { ...options.timeOffsets },
    network: net !== 'new' ? net : options.networks.length > 0 ? 'bridge' : options.pasta ? 'pasta' : 'none',
    bandwidth: options.bandwidth === null ? null : { ...options.bandwidth },
    tcpPorts: null,
    dns: [...dns],
    extraHosts: { ...extraHosts },
    hostPorts: [...hostPorts],
    egress: egress === null ? null : { allow: [...egress.allow], deny: [...egress.deny] },
    tmpfs: Object.fromEntries(
      mounts.filter(({ type }) => type === 'tmpfs').map(({ target, flags, data }) => [target, [...flags, ...data].join()]),
    ),
    devices: devices.map((device) => ({ ...device })),
    sysctls: { ...sysctls },
    maskedPaths: [...table.maskedPaths],
    readonlyPaths: [...table.readonlyPaths],
    tty: process.tty === null ? null : { ...process.tty },
    timeout: process.timeout,
    cpuTimeLimit: process.cpuTimeLimit,
    killSignal: signalName(process.killSignal) ?? process.killSignal,
    forceKillAfterDelay: process.forceKillAfterDelay,
    oomScoreAdj: options.oomScoreAdj,
    stopSignal: signalName(stopSignal) ?? stopSignal,
    healthcheck: healthcheck === null ? null : checkOf(healthcheck),
    logging: detached === null ? null : { maxSize: detached.logBytes, maxFiles: detached.logFiles },
    autoRemove: detached?.autoRemove ?? false,
  };
}

function modeOf(namespace: ParsedNamespace): 'new' | 'host' | 'joined' {
  return typeof namespace === 'string' ? namespace : 'joined';
}

/** A line for a shell is shown as the command that it became. */
function checkOf({ argv, ...numbers }: ParsedHealth): NonNullable<ResolvedOptions['healthcheck']> {
  return { test: ['CMD', ...argv], ...numbers };
}

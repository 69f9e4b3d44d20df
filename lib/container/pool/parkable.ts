import { isDeepStrictEqual } from 'node:util';
import type { ParsedProcess } from '../../process/options/process-options.js';
import type { ParsedOptions } from '../options/container-options.js';

/** Options that a run which takes a parked container may have of its own: those of {@link RUN_NAMES}, as they are called when they are checked. */
const RUNS_OWN: ReadonlySet<string> = new Set([
  'alike',
  'command',
  'labels',
  'copyIn',
  'copyOut',
  'copyOutMax',
  'ports',
  'process',
] satisfies (keyof ParsedOptions)[]);

/** The same of how its program runs. */
const PROCESS_OWN: ReadonlySet<string> = new Set([
  'env',
  'stdin',
  'stdout',
  'stderr',
  'tty',
  'encoding',
  'buffer',
  'timeout',
  'cpuTimeLimit',
  'input',
  'maxBuffer',
  'cancelSignal',
  'reject',
] satisfies (keyof ParsedProcess)[]);

/** Limits that are planned by what the machine or a group above has at the time. */
const LOOKED_UP = ['cpuRtRuntime', 'cpuRtPeriod', 'cpusetCpus', 'cpusetMems', 'deviceRules', 'ioMax', 'netPriorities'] as const;

/** Whether a container that is made for one of two runs is as the other would have it, but for what a run has of its own. */
export function haveOneShape(one: ParsedOptions, other: ParsedOptions): boolean {
  return areSame(one, other, RUNS_OWN) && areSame(one.process, other.process, PROCESS_OWN);
}

/** Compares all fields but those, also the ones that options come to have later. */
function areSame<T extends object>(one: T, other: T, but: ReadonlySet<string>): boolean {
  return Object.entries(one).every(([name, value]) => but.has(name) || isDeepStrictEqual(value, Reflect.get(other, name)));
}

/**
 * Whether a container with these options may be parked though nobody has asked for that. It shows nothing of the caller's but its root, by which it would
 * hold a file system for a while, has nothing for itself alone, and nothing that is looked up at the time of the run.
 */
export function isParkable(options: ParsedOptions): boolean {
  return isOfRootAlone(options) && isOfNoOne(options) && isSettled(options);
}

function isOfRootAlone({ root, mounts, anonymousVolumes, devices, files }: ParsedOptions): boolean {
  const isTmpfs = mounts.every(({ type }) => type === 'tmpfs');
  if (!isTmpfs || anonymousVolumes.length > 0 || devices.length > 0 || files.length > 0) return false;
  // the folders to be mounted on are made in a `rootfs` itself, which may be removed when the last run is over
  return (
    root.type === 'image' &&
    typeof root.image === 'string' &&
    root.upper !== 'disk' &&
    (root.image === 'host' || root.image.startsWith('dir:'))
  );
}

/** No one else knows it, and it has no share of what others have too. */
function isOfNoOne(options: ParsedOptions): boolean {
  const { userns, namespaces, networks, networkOf, pasta, hostPorts, egress, cgroup, cgroupParent } = options;
  const { mnt, pid, net, ipc, uts, user, cgroup: groups, time } = namespaces;
  const isItsOwn = [mnt, pid, net, ipc, uts, groups].every((namespace) => namespace === 'new') && user === 'host' && time === 'host';
  return (
    options.isolation === 'namespaces' &&
    isItsOwn &&
    userns === 'host' &&
    networks.length === 0 &&
    networkOf === null &&
    !pasta &&
    hostPorts.length === 0 &&
    egress === null &&
    cgroup === null &&
    cgroupParent === null &&
    options.name === null
  );
}

function isSettled({ healthcheck, onDenied, onProgress, seccomp, limits }: ParsedOptions): boolean {
  const isReadLater = typeof seccomp === 'object' && 'file' in seccomp;
  const isWatched = typeof healthcheck === 'object' && healthcheck !== null;
  return !isReadLater && !isWatched && onDenied === null && onProgress === null && LOOKED_UP.every((limit) => limits[limit] === undefined);
}

/** Options of a run without what is that run's own: a container that is parked keeps nothing of it. */
export function withoutRun(options: ParsedOptions): ParsedOptions {
  const process: ParsedProcess = {
    ...options.process,
    ...{ env: {}, stdin: [], stdout: [], stderr: [], tty: null, input: null, cancelSignal: null },
    ...{ timeout: null, cpuTimeLimit: null },
  };
  return { ...options, labels: {}, copyIn: [], copyOut: [], ports: [], process };
}

import type { GroupLayout } from '../../host/cgroup-base.js';
import type { ParsedLimits } from '../../options/limits.js';
import type { Place, Write } from './group-write.js';
import { hugetlbWrites, pidsWrites, resourceWrites } from './limits-counted.js';
import { cpusetWrites, cpuWrites } from './limits-cpu.js';
import { ioWrites } from './limits-io.js';
import { memoryWrites } from './limits-memory.js';
import { networkWrites } from './limits-net.js';

/**
 * The writes that put limits on a group, in the order in which the kernel takes them. Devices have rules instead.
 *
 * @throws UnsupportedError when a controller or what it needs is missing: no limit is skipped in silence
 */
export function limitWrites(limits: ParsedLimits, place: Place): Write[] {
  if (Object.keys(limits).length === 0) return [];
  const kinds = [memoryWrites, cpuWrites, cpusetWrites, pidsWrites, ioWrites, hugetlbWrites, networkWrites, resourceWrites];
  return kinds.flatMap((writes) => writes(limits, place));
}

/** The controller that keeps each limit, by the kernel's name. `io` is v1's blkio. */
const CONTROLLER = {
  memory: 'memory',
  memorySwap: 'memory',
  memoryReservation: 'memory',
  memoryHigh: 'memory',
  memorySwappiness: 'memory',
  memoryOomGroup: 'memory',
  kernelMemory: 'memory',
  cpus: 'cpu',
  cpuQuota: 'cpu',
  cpuPeriod: 'cpu',
  cpuBurst: 'cpu',
  cpuShares: 'cpu',
  cpuIdle: 'cpu',
  cpuRtRuntime: 'cpu',
  cpuRtPeriod: 'cpu',
  cpusetCpus: 'cpuset',
  cpusetMems: 'cpuset',
  pidsLimit: 'pids',
  ioWeight: 'io',
  ioMax: 'io',
  hugetlb: 'hugetlb',
  netClassId: 'net_cls',
  netPriorities: 'net_prio',
  rdma: 'rdma',
  misc: 'misc',
} as const satisfies Partial<Record<keyof ParsedLimits, string>>;

/** Limits of which only a group's files show whether the kernel keeps them. */
const UNCERTAIN: readonly (keyof typeof CONTROLLER)[] = [
  'kernelMemory',
  'cpuBurst',
  'cpuIdle',
  'cpuRtRuntime',
  'cpuRtPeriod',
  'cpusetCpus',
  'cpusetMems',
  'ioWeight',
  'ioMax',
  'hugetlb',
];

/** The controllers that limits need, by their names on this machine. */
export function controllersOf(limits: ParsedLimits, layout: GroupLayout): string[] {
  return named(Object.entries(CONTROLLER), limits, layout);
}

/** The controllers of which {@link Place.files} will be asked. */
export function uncertainControllers(limits: ParsedLimits, layout: GroupLayout): string[] {
  return named(
    UNCERTAIN.map((option) => [option, CONTROLLER[option]]),
    limits,
    layout,
  );
}

function named(options: readonly (readonly [string, string])[], limits: ParsedLimits, layout: GroupLayout): string[] {
  const given = new Set(Object.entries(limits).flatMap(([name, value]) => (value === undefined ? [] : [name])));
  if (given.size === 0) return [];
  const names = options.flatMap(([option, controller]) => (given.has(option) ? [controller] : []));
  return [...new Set(names)].map((name) => (name === 'io' && layout.controllers.has('blkio') ? 'blkio' : name));
}

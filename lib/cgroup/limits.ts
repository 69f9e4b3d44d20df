import { UnsupportedError } from '../errors.js';
import type { GroupLayout } from '../host/cgroup-base.js';
import type { DeviceRule, ParsedLimits } from '../plan/limits.js';

/** A value for a file of a controller. */
export interface Write {
  readonly controller: string;
  readonly file: string;
  readonly value: string;
}

/** Checked limits, of which a group keeps those that its controllers have. */
export type GroupLimits = Pick<ParsedLimits, 'memory' | 'memorySwap' | 'cpus' | 'cpuQuota' | 'cpuPeriod' | 'pidsLimit'>;

/** What a group's memory is limited to already: the order of the writes depends on it. Bytes; Infinity for no limit. */
export interface CurrentMemory {
  readonly memory: number;
  /** Memory plus swap. */
  readonly memorySwap: number;
}

const UNLIMITED: CurrentMemory = { memory: Number.POSITIVE_INFINITY, memorySwap: Number.POSITIVE_INFINITY };

/** µs; as docker's. */
const DEFAULT_PERIOD = 100_000;
/** µs; the kernel's least quota. */
const LEAST_QUOTA = 1000;

/**
 * The writes that put limits on a group, in the order in which the kernel takes them.
 *
 * @throws UnsupportedError when a controller or what it needs is missing: no limit is skipped in silence
 */
export function limitWrites(limits: GroupLimits, layout: GroupLayout, current = UNLIMITED): Write[] {
  return [...memoryWrites(limits, layout, current), ...cpuWrites(limits, layout), ...pidsWrites(limits, layout)];
}

/** The controllers that limits need. */
export function controllersOf(limits: GroupLimits): string[] {
  const needed: string[] = [];
  if (limits.memory !== undefined || limits.memorySwap !== undefined) needed.push('memory');
  if (limits.cpus !== undefined || limits.cpuQuota !== undefined || limits.cpuPeriod !== undefined) needed.push('cpu');
  if (limits.pidsLimit !== undefined) needed.push('pids');
  return needed;
}

/**
 * v1 keeps memory ≤ memory plus swap at every moment, so which of the two is written first depends on the
 * direction. Swap is none unless `memorySwap` says so. v2 counts swap by itself.
 */
function memoryWrites({ memory, memorySwap = memory }: GroupLimits, layout: GroupLayout, current: CurrentMemory): Write[] {
  if (memory === undefined || memorySwap === undefined) return [];
  const version = versionOf('memory', 'memory', layout);
  const counted = mayLimitSwap(layout);
  if (version === 2) {
    const max: Write = { controller: 'memory', file: 'memory.max', value: String(memory) };
    return counted ? [{ controller: 'memory', file: 'memory.swap.max', value: String(memorySwap - memory) }, max] : [max];
  }
  const limit: Write = { controller: 'memory', file: 'memory.limit_in_bytes', value: String(memory) };
  const both: Write = { controller: 'memory', file: 'memory.memsw.limit_in_bytes', value: String(memorySwap) };
  if (!counted) return [limit];
  return memorySwap > current.memorySwap ? [both, limit] : [limit, both];
}

/** A machine without swap needs no limit of it; one with swap that the kernel doesn't count can't keep the limit. */
function mayLimitSwap({ swap }: GroupLayout): boolean {
  if (swap.accounted) return true;
  if (swap.total === 0) return false;
  throw new UnsupportedError(
    'limit memory',
    'this machine has swap, and the kernel does not count it for each group: memory could be passed by swapping',
    'Boot with swapaccount=1, or turn swap off with swapoff -a.',
  );
}

function cpuWrites({ cpus, cpuQuota, cpuPeriod }: GroupLimits, layout: GroupLayout): Write[] {
  const period = cpuPeriod ?? DEFAULT_PERIOD;
  const quota = cpuQuota ?? (cpus === undefined ? undefined : Math.max(LEAST_QUOTA, Math.round(cpus * period)));
  if (quota === undefined) return [];
  if (versionOf('cpu', cpus === undefined ? 'cpuQuota' : 'cpus', layout) === 2) {
    return [{ controller: 'cpu', file: 'cpu.max', value: `${quota} ${period}` }];
  }
  return [
    { controller: 'cpu', file: 'cpu.cfs_period_us', value: String(period) },
    { controller: 'cpu', file: 'cpu.cfs_quota_us', value: String(quota) },
  ];
}

function pidsWrites({ pidsLimit }: GroupLimits, layout: GroupLayout): Write[] {
  if (pidsLimit === undefined) return [];
  versionOf('pids', 'pidsLimit', layout);
  return [{ controller: 'pids', file: 'pids.max', value: String(pidsLimit) }];
}

/** The rules of the v1 device controller, in order: a later one prevails. */
export function deviceWrites(rules: readonly DeviceRule[]): Write[] {
  return rules.map(({ type, major, minor, access, allow }) => ({
    controller: 'devices',
    file: allow ? 'devices.allow' : 'devices.deny',
    value: type === 'a' && major === undefined && minor === undefined ? 'a' : `${type} ${major ?? '*'}:${minor ?? '*'} ${access}`,
  }));
}

function versionOf(controller: string, limit: string, layout: GroupLayout): 1 | 2 {
  const hierarchy = layout.controllers.get(controller);
  if (hierarchy) return hierarchy.version;
  throw new UnsupportedError(
    `limit ${limit}`,
    `the cgroup controller ${controller} is not there`,
    layout.mode === 'v2'
      ? `Have it handed on: write +${controller} to cgroup.subtree_control of the groups above, or run with systemd-run -p Delegate=yes.`
      : `Mount it, or boot with cgroup_enable=${controller}.`,
  );
}

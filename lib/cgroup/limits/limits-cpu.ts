import { UnsupportedError } from '../../errors.js';
import type { ParsedLimits } from '../../options/limits.js';
import { parseNumberList } from '../../options/number-list.js';
import { type Place, requireFile, requireVersion, versionOf, type Write } from './group-write.js';

/** µs; as docker's. */
const DEFAULT_PERIOD = 100_000;
/** µs; the kernel's least quota. */
const LEAST_QUOTA = 1000;

const NEWER = (version: string): string => `Linux ${version} has it.`;

const write = (file: string, value: string | number): Write => ({ controller: 'cpu', file, value: String(value) });

/** @throws UnsupportedError */
export function cpuWrites(limits: ParsedLimits, place: Place): Write[] {
  return [...weightWrites(limits, place), ...quotaWrites(limits, place), ...realTimeWrites(limits, place)];
}

/**
 * docker's shares as v2's weight, as runc and crun do since 2025: a quadratic function of the logarithms through
 * (2, 1), (1,024, 100) and (262,144, 10,000), so that the default stays the default. Before, the OCI's formula was
 * 1 + (shares − 2) × 9,999 ÷ 262,142, by which 1,024 was 39.
 */
export function weightOfShares(shares: number): number {
  const log = Math.log2(shares);
  const exponent = (log * log + 125 * log) / 612 - 7 / 34;
  // 1,024 is 100.00000000000001 in doubles
  return Math.min(10_000, Math.max(1, Math.ceil(10 ** exponent - 1e-9)));
}

/** An idle group takes no weight, so `cpuIdle: false` is written before the weight. */
function weightWrites({ cpuShares, cpuIdle }: ParsedLimits, place: Place): Write[] {
  const idle = cpuIdle === undefined ? [] : [write(idleFile(place), cpuIdle ? 1 : 0)];
  if (cpuShares === undefined) return idle;
  const v2 = versionOf('cpu', 'cpuShares', place.layout) === 2;
  return [...idle, v2 ? write('cpu.weight', weightOfShares(cpuShares)) : write('cpu.shares', cpuShares)];
}

function idleFile(place: Place): string {
  versionOf('cpu', 'cpuIdle', place.layout);
  return requireFile('cpu', 'cpu.idle', 'cpuIdle', place, NEWER('5.15'));
}

/**
 * In a group that has limits, the burst is taken away first, then the old quota: the kernel checks each write against the other values at
 * that moment, and against those of parents and children.
 */
function quotaWrites({ cpus, cpuQuota, cpuPeriod, cpuBurst }: ParsedLimits, place: Place): Write[] {
  const period = cpuPeriod ?? DEFAULT_PERIOD;
  const quota = cpuQuota ?? (cpus === undefined ? undefined : Math.max(LEAST_QUOTA, Math.round(cpus * period)));
  if (quota === undefined) return [];
  const v2 = versionOf('cpu', cpus === undefined ? 'cpuQuota' : 'cpus', place.layout) === 2;
  const burst =
    cpuBurst === undefined ? null : requireFile('cpu', v2 ? 'cpu.max.burst' : 'cpu.cfs_burst_us', 'cpuBurst', place, NEWER('5.14'));
  const before =
    place.current === undefined ? [] : [...(burst === null ? [] : [write(burst, 0)]), ...(v2 ? [] : [write('cpu.cfs_quota_us', -1)])];
  const set = v2 ? [write('cpu.max', `${quota} ${period}`)] : [write('cpu.cfs_period_us', period), write('cpu.cfs_quota_us', quota)];
  return [...before, ...set, ...(burst === null || cpuBurst === undefined ? [] : [write(burst, cpuBurst)])];
}

function realTimeWrites({ cpuRtRuntime, cpuRtPeriod }: ParsedLimits, place: Place): Write[] {
  if (cpuRtRuntime === undefined && cpuRtPeriod === undefined) return [];
  const limit = cpuRtRuntime === undefined ? 'cpuRtPeriod' : 'cpuRtRuntime';
  requireVersion(1, 'cpu', limit, place, 'On v2 a process is real-time by its scheduler option alone.');
  requireFile('cpu', 'cpu.rt_runtime_us', limit, place, 'Use a kernel with CONFIG_RT_GROUP_SCHED.');
  return [
    ...(cpuRtPeriod === undefined ? [] : [write('cpu.rt_period_us', cpuRtPeriod)]),
    ...(cpuRtRuntime === undefined ? [] : [write('cpu.rt_runtime_us', cpuRtRuntime)]),
  ];
}

/** v2 takes any list, and then uses those of its numbers that exist: so a number that does not exist is refused here. */
export function cpusetWrites(limits: ParsedLimits, place: Place): Write[] {
  const options = [
    ['cpusetCpus', 'cpuset.cpus', { 1: 'cpuset.effective_cpus', 2: 'cpuset.cpus.effective' }],
    ['cpusetMems', 'cpuset.mems', { 1: 'cpuset.effective_mems', 2: 'cpuset.mems.effective' }],
  ] as const;
  return options.flatMap(([option, file, effective]): Write[] => {
    const list = limits[option];
    if (list === undefined) return [];
    const there = place.files.read('cpuset', effective[versionOf('cpuset', option, place.layout)])?.trim() ?? '';
    const all = new Set(parseNumberList(there) ?? []);
    const absent = (parseNumberList(list) ?? []).filter((number) => !all.has(number));
    if (absent.length > 0) throw new UnsupportedError(`limit ${option}`, `${absent.join(', ')} can't be used here`, `There are ${there}.`);
    return [{ controller: 'cpuset', file, value: list }];
  });
}

import { weightOf } from '../../oci-config/bundle-limits.js';
import type { ParsedDeviceRule, ParsedLimits } from '../../options/limits.js';
import type { ResourcesForm } from './config-form.js';

/** From this number of bytes on, swap is as good as unlimited: no machine has as much, and JSON numbers end here. */
export const UNLIMITED_SWAP = Number.MAX_SAFE_INTEGER;

/** µs, the kernel's and docker's. */
const PERIOD = 100_000;

/** Limits as linux.resources, and the options of which it has no exact word. Pure. */
export function resourcesOfLimits(
  limits: ParsedLimits,
  rules: readonly ParsedDeviceRule[],
): { readonly resources: ResourcesForm; readonly left: readonly string[] } {
  const weight = limits.ioWeight === undefined ? undefined : weightFor(limits.ioWeight);
  const { unified, left } = unifiedOf(limits);
  const resources: ResourcesForm = {
    devices: rules.map(({ type, major, minor, access, allow }) => ({
      allow,
      ...(type === 'a' ? {} : { type }),
      ...defined({ major, minor }),
      access,
    })),
    ...some('memory', {
      limit: limits.memory,
      swap: swapOf(limits),
      reservation: limits.memoryReservation,
      swappiness: limits.memorySwappiness,
      kernel: limits.kernelMemory,
    }),
    ...some('cpu', {
      shares: limits.cpuShares,
      quota: limits.cpus === undefined ? limits.cpuQuota : Math.round(limits.cpus * PERIOD),
      period: limits.cpus === undefined ? limits.cpuPeriod : PERIOD,
      burst: limits.cpuBurst,
      idle: limits.cpuIdle === undefined ? undefined : Number(limits.cpuIdle),
      realtimeRuntime: limits.cpuRtRuntime,
      realtimePeriod: limits.cpuRtPeriod,
      cpus: limits.cpusetCpus,
      mems: limits.cpusetMems,
    }),
    ...some('pids', { limit: limits.pidsLimit }),
    ...some('blockIO', { weight, ...throttles(limits.ioMax ?? []) }),
    ...(limits.hugetlb === undefined
      ? {}
      : { hugepageLimits: Object.entries(limits.hugetlb).map(([pageSize, limit]) => ({ pageSize, limit })) }),
    ...some('network', {
      classID: limits.netClassId,
      priorities:
        limits.netPriorities === undefined
          ? undefined
          : Object.entries(limits.netPriorities).map(([name, priority]) => ({ name, priority })),
    }),
    ...(limits.rdma === undefined ? {} : { rdma: limits.rdma }),
    ...(Object.keys(unified).length === 0 ? {} : { unified }),
  };
  const inexact = weight !== undefined && weightOf(weight) !== limits.ioWeight;
  return { resources, left: [...(inexact ? ['ioWeight'] : []), ...left] };
}

function swapOf({ memory, memorySwap = memory }: ParsedLimits): number | undefined {
  return memorySwap === UNLIMITED_SWAP ? -1 : memorySwap;
}

/** The nearest weight on the scale of linux.resources, 10 to 1,000. */
function weightFor(weight: number): number {
  return 10 + Math.ceil(((weight - 1) * 990) / 9999);
}

/** What has no field of its own, as files of cgroup v2. One write is one line, so several resources of the controller misc can't be said. */
function unifiedOf({ memoryHigh, memoryOomGroup, misc = {} }: ParsedLimits): {
  readonly unified: Record<string, string>;
  readonly left: readonly string[];
} {
  const [first, ...others] = Object.entries(misc);
  const fits = first !== undefined && others.length === 0;
  return {
    unified: {
      ...(memoryHigh === undefined ? {} : { 'memory.high': String(memoryHigh) }),
      ...(memoryOomGroup === undefined ? {} : { 'memory.oom.group': memoryOomGroup ? '1' : '0' }),
      ...(fits ? { 'misc.max': first.join(' ') } : {}),
    },
    left: first === undefined || fits ? [] : ['misc'],
  };
}

function throttles(
  all: NonNullable<ParsedLimits['ioMax']>,
): Partial<Record<ThrottleName, { major: number; minor: number; rate: number }[]>> {
  const of = (field: (typeof THROTTLES)[ThrottleName]) =>
    all.flatMap(({ device, [field]: rate }) => {
      const [major, minor] = device.split(':').map(Number);
      return rate === undefined || major === undefined || minor === undefined ? [] : [{ major, minor, rate }];
    });
  return Object.fromEntries(Object.entries(THROTTLES).flatMap(([name, field]) => (of(field).length === 0 ? [] : [[name, of(field)]])));
}

const THROTTLES = {
  throttleReadBpsDevice: 'readBps',
  throttleWriteBpsDevice: 'writeBps',
  throttleReadIOPSDevice: 'readIops',
  throttleWriteIOPSDevice: 'writeIops',
} as const;
type ThrottleName = keyof typeof THROTTLES;

/** The object without what is undefined, below its name; nothing where that leaves nothing. */
function some<K extends string, T extends object>(name: K, value: T): { [N in K]?: Defined<T> } {
  const kept = defined(value);
  return Object.keys(kept).length === 0 ? {} : ({ [name]: kept } as { [N in K]?: Defined<T> });
}

type Defined<T> = { [P in keyof T]?: Exclude<T[P], undefined> };

function defined<T extends object>(value: T): Defined<T> {
  return Object.fromEntries(Object.entries(value).filter(([, part]) => part !== undefined)) as Defined<T>;
}

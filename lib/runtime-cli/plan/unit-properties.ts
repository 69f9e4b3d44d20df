import type { Write } from '../../cgroup/limits/group-write.js';
import type { Value } from '../../dbus/value.js';
import type { UnitProperty } from '../../host/systemd-manager.js';
import { cpuMask } from '../../oci-config/cpu-list.js';

/** What is written to the files of a group of v2. */
export type UnitLimits = readonly Pick<Write, 'file' | 'value'>[];

/** "No limit" of a number (systemd.resource-control(5)). */
const INFINITY = 2n ** 64n - 1n;

/** Files whose number a property has as it is, and the least that systemd takes there. */
const NUMBERS: Readonly<Record<string, readonly [property: string, least: bigint]>> = {
  'memory.max': ['MemoryMax', 1n],
  'memory.high': ['MemoryHigh', 1n],
  'memory.low': ['MemoryLow', 0n],
  'memory.min': ['MemoryMin', 0n],
  'memory.swap.max': ['MemorySwapMax', 0n],
  'pids.max': ['TasksMax', 1n],
  'cpu.weight': ['CPUWeight', 1n],
};

/**
 * The properties of a unit that say what is written to its group; files that systemd writes nothing to have none. Pure.
 */
export function unitProperties(limits: UnitLimits): UnitProperty[] {
  return limits.flatMap(({ file, value }): UnitProperty[] => {
    const number = Object.hasOwn(NUMBERS, file) ? NUMBERS[file] : undefined;
    if (number !== undefined) return numberOf(...number, value);
    if (file === 'cpu.max') return quotaOf(value);
    if (file === 'cpuset.cpus') return maskOf('AllowedCPUs', value);
    return file === 'cpuset.mems' ? maskOf('AllowedMemoryNodes', value) : [];
  });
}

function numberOf(name: string, least: bigint, value: string): UnitProperty[] {
  const text = value.trim();
  if (!/^(?:\d{1,20}|max)$/.test(text)) return [];
  const number = text === 'max' ? INFINITY : BigInt(text);
  return number < least || number > INFINITY ? [] : [[name, { signature: 't', value: number }]];
}

/** systemd has the quota as part of a second, in steps of 10 ms. What is not a whole number of them is rounded up, as in runc. */
function quotaOf(value: string): UnitProperty[] {
  const [quota = '', period = '100000'] = value.trim().split(/\s+/);
  if (!/^(?:\d{1,13}|max)$/.test(quota) || !/^[1-9]\d{0,13}$/.test(period)) return [];
  const STEP = 10_000n;
  const inSecond = quota === 'max' ? INFINITY : (BigInt(quota) * 1_000_000n) / BigInt(period);
  const rounded = quota === 'max' ? INFINITY : ((inSecond + STEP - 1n) / STEP) * STEP;
  return [
    ['CPUQuotaPerSecUSec', { signature: 't', value: rounded }],
    ['CPUQuotaPeriodUSec', { signature: 't', value: BigInt(period) }],
  ];
}

function maskOf(name: string, list: string): UnitProperty[] {
  const mask = cpuMask(list);
  const value: Value = mask === null ? [] : [...mask];
  return [[name, { signature: 'ay', value }]];
}

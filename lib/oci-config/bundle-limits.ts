import { invalidOption } from '../errors.js';
import type { ParsedDeviceRule, ParsedLimits } from '../options/limits.js';
import type { Resources, Throttle } from './resources-schema.js';

type IoMax = NonNullable<ParsedLimits['ioMax']>[number];

/**
 * linux.resources as limits of this library. As in runc, a number of 0 or less is no limit where the kernel has none by that number, so that
 * nothing is written. `unified` is no limit of its own: see {@link unifiedWrites}; memory and swap are not the library's: see resource-writes.ts. Pure.
 */
export function limitsOf({ memory, cpu, pids, blockIO, hugepageLimits, network, rdma }: Resources): ParsedLimits {
  const io = ioMax(blockIO);
  const quota = positive(cpu?.quota);
  return without({
    memoryReservation: positive(memory?.reservation),
    memorySwappiness: memory?.swappiness,
    cpuShares: positive(cpu?.shares),
    cpuQuota: quota,
    cpuPeriod: quota === undefined ? undefined : positive(cpu?.period),
    cpuBurst: cpu?.burst,
    cpuIdle: cpu?.idle === 1 ? true : undefined,
    cpuRtRuntime: positive(cpu?.realtimeRuntime),
    cpuRtPeriod: positive(cpu?.realtimePeriod),
    cpusetCpus: cpu?.cpus || undefined,
    cpusetMems: cpu?.mems || undefined,
    // none at all would leave the container without its first process: so does newer runc
    pidsLimit: pids?.limit === 0 ? 1 : positive(pids?.limit),
    ioWeight: weightOf(positive(blockIO?.weight)),
    ioMax: io.length === 0 ? undefined : io,
    hugetlb: hugepageLimits.length === 0 ? undefined : Object.fromEntries(hugepageLimits.map(({ pageSize, limit }) => [pageSize, limit])),
    netClassId: positive(network?.classID),
    netPriorities:
      network === undefined || network.priorities.length === 0
        ? undefined
        : Object.fromEntries(network.priorities.map(({ name, priority }) => [name, priority])),
    rdma,
  });
}

/** From the scale of linux.resources, 10 to 1,000, to that of io.weight, 1 to 10,000, as runc does. */
export function weightOf(weight: number | undefined): number | undefined {
  return weight === undefined ? undefined : 1 + Math.floor(((weight - 10) * 9999) / 990);
}

function positive(value: number | undefined): number | undefined {
  return value === undefined || value <= 0 ? undefined : value;
}

/** Absent and undefined are the same to whoever reads limits, but an object without the keys is one without limits. */
function without(limits: ParsedLimits): ParsedLimits {
  return Object.fromEntries(Object.entries(limits).filter(([, value]) => value !== undefined));
}

function ioMax(blockIO: Resources['blockIO']): IoMax[] {
  if (blockIO === undefined) return [];
  const devices = new Map<string, IoMax>();
  const add = (throttles: Throttle, field: 'readBps' | 'writeBps' | 'readIops' | 'writeIops'): void => {
    for (const { major, minor, rate } of throttles) {
      const device = `${major}:${minor}`;
      devices.set(device, { ...(devices.get(device) ?? { device }), [field]: rate });
    }
  };
  add(blockIO.throttleReadBpsDevice, 'readBps');
  add(blockIO.throttleWriteBpsDevice, 'writeBps');
  add(blockIO.throttleReadIOPSDevice, 'readIops');
  add(blockIO.throttleWriteIOPSDevice, 'writeIops');
  return [...devices.values()];
}

/** What every container may use, whatever its rules: runc's AllowedDevices. The spec's default devices, terminals, and making any node. */
const always: readonly ParsedDeviceRule[] = [
  { type: 'c', access: 'm', allow: true },
  { type: 'b', access: 'm', allow: true },
  ...[
    [1, 3],
    [1, 5],
    [1, 7],
    [1, 8],
    [1, 9],
    [5, 0],
    [5, 2],
    [136, undefined],
  ].map(
    ([major, minor]): ParsedDeviceRule => ({ type: 'c', major, ...(minor === undefined ? {} : { minor }), access: 'rwm', allow: true }),
  ),
];

/**
 * The device rules of a container, in their order: what no rule of config.json allows is refused, as in runc, which begins with none too. Where they say
 * nothing, that is all but what every container has. Pure.
 */
export function deviceRulesOf(resources: Resources | undefined): readonly ParsedDeviceRule[] {
  const devices = resources?.devices ?? [];
  const own = devices.map(({ type = 'a', major, minor, access, allow }): ParsedDeviceRule => {
    const number = (value: number | undefined): number | undefined => (value === undefined || value < 0 ? undefined : value);
    return {
      type,
      major: number(major),
      minor: number(minor),
      access: access === undefined || /^$|a/.test(access) ? 'rwm' : access,
      allow,
    };
  });
  return [{ type: 'a', access: 'rwm', allow: false }, ...own, ...always];
}

/** linux.resources.unified: files of cgroup v2 and what is written there. Pure. @throws NacelleError `ERR_INVALID_OPTION` for a path */
export function unifiedWrites({ unified = {} }: Resources): readonly { readonly file: string; readonly value: string }[] {
  return Object.entries(unified).map(([file, value]) => {
    // crun's words
    if (!/^[a-z0-9_]+(?:\.[A-Za-z0-9_]+)+$/.test(file))
      throw invalidOption(
        `linux.resources.unified[${JSON.stringify(file)}]`,
        `the specified key has not the form CONTROLLER.VALUE \`${file}\`: it is no file of a group`,
      );
    return { file, value };
  });
}

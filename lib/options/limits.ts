import * as z from 'zod';
import { text, word } from './common-schemas.js';
import { type Scheduler, schedulerSchema } from './scheduler.js';
import { type Size, sizeSchema } from './size.js';

/** Limits of a group of processes. Live-updatable where the kernel allows. Sizes are bytes or docker strings. */
export interface Limits {
  /** Memory and page cache of the whole tree, tmpfs included. At least one page. v1 memory.limit_in_bytes, v2 memory.max. */
  memory?: Size | undefined;
  /** Memory plus swap, as docker's. Default: equal to `memory`, so no swap. */
  memorySwap?: Size | undefined;
  /** Memory that the group keeps when memory is short: v1 memory.soft_limit_in_bytes, v2 memory.low. */
  memoryReservation?: Size | undefined;
  /** Past it the group is slowed down and its memory reclaimed, without a kill: memory.high. v2 only. */
  memoryHigh?: Size | undefined;
  /** The kernel's inclination to swap, 0 to 100: memory.swappiness. v1 only. */
  memorySwappiness?: number | undefined;
  /** When it is out of memory, all of the group ends, not one process of it: memory.oom.group (Linux 4.19). v2 only. */
  memoryOomGroup?: boolean | undefined;
  /** Memory of the kernel's for the group: memory.kmem.limit_in_bytes. v1 only, until Linux 5.16; `memory` counts it too. */
  kernelMemory?: Size | undefined;
  /** CPUs' worth of time: 1.5 is one and a half. Another way to say `cpuQuota` of a `cpuPeriod`. */
  cpus?: number | undefined;
  /** µs of CPU time in each period, at least 1,000. */
  cpuQuota?: number | undefined;
  /** µs, 1,000 to 1,000,000. Default 100,000. */
  cpuPeriod?: number | undefined;
  /** µs that may be saved up of earlier periods' quota (Linux 5.14), at most the quota: v1 cpu.cfs_burst_us, v2 cpu.max.burst. */
  cpuBurst?: number | undefined;
  /** Weight against siblings, 2 to 262,144. Default 1,024: v1 cpu.shares. v2's cpu.weight is computed from it. */
  cpuShares?: number | undefined;
  /** The group runs only while nobody else wants the CPU: cpu.idle (Linux 5.15). Excludes `cpuShares`. */
  cpuIdle?: boolean | undefined;
  /** µs of real-time scheduling in each `cpuRtPeriod`: cpu.rt_runtime_us. v1 only, with CONFIG_RT_GROUP_SCHED. */
  cpuRtRuntime?: number | undefined;
  /** µs. Default 1,000,000: cpu.rt_period_us. v1 only. */
  cpuRtPeriod?: number | undefined;
  /** CPUs as a list: '0-3,7' (cpuset(7)). */
  cpusetCpus?: string | undefined;
  /** Memory nodes as a list. */
  cpusetMems?: string | undefined;
  /** Processes and threads at one time. */
  pidsLimit?: number | undefined;
  /** Weight of block I/O against siblings, 1 to 10,000, default 100: where a disk's scheduler is BFQ, or io.cost.qos is set. */
  ioWeight?: number | undefined;
  /** Limits of block I/O, one item for each device. */
  ioMax?: readonly IoMax[] | undefined;
  /** Limits of huge pages, by page size: { '2MB': '64m' }. */
  hugetlb?: Record<string, Size> | undefined;
  /** Device rules, in order: for each letter of an access the last rule that fits decides. A container's own rules come before them. */
  deviceRules?: readonly DeviceRule[] | undefined;
  /** Class of the net_cls controller, for tc and iptables (v1 only). */
  netClassId?: number | undefined;
  /** Priority of packets that leave by a network interface of the host's, by its name: net_prio.ifpriomap (v1 only). */
  netPriorities?: Record<string, number> | undefined;
  /** RDMA resources by device: rdma.max. */
  rdma?: Record<string, RdmaMax> | undefined;
  /** Limits of the controller misc, by resource: misc.max (Linux 5.13). */
  misc?: Record<string, number> | undefined;
  /** Limits of a process, by docker's names: { nofile: 1024, core: 0 } (getrlimit(2)). A number sets both the soft and the hard limit. */
  ulimits?: Record<string, number | { soft: number; hard: number }> | undefined;
  /** How the program is scheduled; what it starts inherits it. */
  scheduler?: Scheduler | undefined;
}

/** Limits of one block device, a whole disk; 0 takes a limit away. */
export interface IoMax {
  /** '/dev/sda' or '8:0'. */
  device: string;
  /** Bytes a second. */
  readBps?: number | undefined;
  writeBps?: number | undefined;
  readIops?: number | undefined;
  writeIops?: number | undefined;
}

/** At least one of the two. */
export interface RdmaMax {
  hcaHandles?: number | undefined;
  hcaObjects?: number | undefined;
}

/** A rule of the device controller. Without `major` or `minor`: any. */
export interface DeviceRule {
  type: 'a' | 'b' | 'c';
  major?: number | undefined;
  minor?: number | undefined;
  /** Of 'r', 'w' and 'm'. */
  access: string;
  allow: boolean;
}

const whole = z.int().min(0);
const ulimit = z.int().min(-1);
/** A word in a line for the kernel. */
const name = word.regex(/^\S+$/, 'must have names without white space');
/** cpuset(7), "List format". */
const numberList = z
  .string()
  .regex(/^\d+(?:-\d+)?(?:,\d+(?:-\d+)?)*$/, "must be a list of numbers and ranges such as '0-3,7'")
  .refine((list) => parseNumberList(list) !== null, 'must have ranges that go up');

/** The keys of {@link Limits}, for schemas that contain them. Their combinations are checked by {@link checkLimits}. */
export const limitsShape = {
  memory: sizeSchema(4096).optional(),
  memorySwap: sizeSchema(4096).optional(),
  memoryReservation: sizeSchema().optional(),
  memoryHigh: sizeSchema(4096).optional(),
  memorySwappiness: z.int().min(0).max(100).optional(),
  memoryOomGroup: z.boolean().optional(),
  kernelMemory: sizeSchema(4096).optional(),
  cpus: z.number().min(0.01).max(1e6).optional(),
  cpuQuota: z.int().min(1000).optional(),
  cpuPeriod: z.int().min(1000).max(1_000_000).optional(),
  cpuBurst: whole.optional(),
  cpuShares: z.int().min(2).max(262_144).optional(),
  cpuIdle: z.boolean().optional(),
  cpuRtRuntime: whole.optional(),
  cpuRtPeriod: z.int().min(1).optional(),
  cpusetCpus: numberList.optional(),
  cpusetMems: numberList.optional(),
  pidsLimit: z.int().min(1).max(4_194_304).optional(),
  ioWeight: z.int().min(1).max(10_000).optional(),
  ioMax: z
    .array(
      z.strictObject({
        device: word.regex(/^(?:\/.*|\d+:\d+)$/s, "must be an absolute path or 'MAJOR:MINOR'"),
        readBps: whole.optional(),
        writeBps: whole.optional(),
        readIops: whole.optional(),
        writeIops: whole.optional(),
      }),
    )
    .optional(),
  hugetlb: z.record(text.regex(/^\d+[KMG]B$/, "must have page sizes as the kernel calls them: '2MB', '1GB'"), sizeSchema()).optional(),
  deviceRules: z
    .array(
      z.strictObject({
        type: z.enum(['a', 'b', 'c']),
        major: whole.max(0xfff).optional(),
        minor: whole.max(0xfffff).optional(),
        access: z.string().regex(/^(?!.*(.).*\1)[rwm]+$/, "must be made of 'r', 'w' and 'm'"),
        allow: z.boolean(),
      }),
    )
    .optional(),
  netClassId: whole.max(0xffffffff).optional(),
  netPriorities: z.record(name, whole.max(0xffffffff)).optional(),
  rdma: z.record(name, z.strictObject({ hcaHandles: whole.optional(), hcaObjects: whole.optional() })).optional(),
  misc: z.record(name, whole).optional(),
  ulimits: z.record(text, z.union([ulimit, z.strictObject({ soft: ulimit, hard: ulimit })])).optional(),
  scheduler: schedulerSchema.optional(),
};

/** The numbers of a list such as '0-3,7'; `null` for a range that goes down, or past what any kernel has. */
export function parseNumberList(list: string): number[] | null {
  const numbers: number[] = [];
  for (const part of list.split(',').filter((word) => word !== '')) {
    const [first = 0, last = first] = part.split('-').map(Number);
    if (last < first || last >= 65_536) return null;
    for (let number = first; number <= last; ++number) numbers.push(number);
  }
  return numbers;
}

const limitsObject = z.strictObject(limitsShape);

/** Checked limits: sizes are bytes. */
export type ParsedLimits = z.output<typeof limitsObject>;

/** A checked {@link DeviceRule}. */
export type ParsedDeviceRule = NonNullable<ParsedLimits['deviceRules']>[number];

/** Where a check reports what it found: zod's refinement context. */
export interface Complaints {
  addIssue(issue: { code: 'custom'; path: string[]; message: string }): void;
}

/** Limits that can't go together. */
export function checkLimits(limits: ParsedLimits, context: Complaints): void {
  const wrong = (option: keyof Limits, message: string): void => context.addIssue({ code: 'custom', path: [option], message });
  const { memory, memorySwap, memoryReservation } = limits;

  for (const other of ['cpuQuota', 'cpuPeriod'] as const) {
    if (limits.cpus !== undefined && limits[other] !== undefined) {
      wrong('cpus', `can't go with ${other}: both set the same quota, give one of them`);
    }
  }
  if (limits.cpuPeriod !== undefined && limits.cpuQuota === undefined && limits.cpus === undefined) {
    wrong('cpuPeriod', 'needs cpuQuota: a period alone limits nothing');
  }
  const quota = limits.cpuQuota ?? (limits.cpus === undefined ? undefined : limits.cpus * 100_000);
  if (limits.cpuBurst !== undefined && quota === undefined) wrong('cpuBurst', 'needs cpus or cpuQuota: it is what is saved up of that');
  if (limits.cpuBurst !== undefined && quota !== undefined && limits.cpuBurst > quota) {
    wrong('cpuBurst', `must be at most the quota (${quota} µs)`);
  }
  if (limits.cpuIdle && limits.cpuShares !== undefined) wrong('cpuIdle', "can't go with cpuShares: what is idle has no weight");
  if (limits.cpuRtRuntime !== undefined && limits.cpuRtRuntime > (limits.cpuRtPeriod ?? 1_000_000)) {
    wrong('cpuRtRuntime', 'must be at most cpuRtPeriod (1,000,000 µs unless it is given)');
  }
  for (const { device, ...rates } of limits.ioMax ?? []) {
    if (Object.values(rates).every((rate) => rate === undefined)) wrong('ioMax', `limits nothing of ${device}`);
  }
  for (const [device, { hcaHandles, hcaObjects }] of Object.entries(limits.rdma ?? {})) {
    if (hcaHandles === undefined && hcaObjects === undefined) wrong('rdma', `limits nothing of ${device}`);
  }
  for (const { type, major, minor } of limits.deviceRules ?? []) {
    if (type === 'a' && (major !== undefined || minor !== undefined)) {
      wrong('deviceRules', "type 'a' is all devices: give 'b' or 'c' with a number");
    }
  }
  if (memorySwap !== undefined && memory === undefined) wrong('memorySwap', 'needs memory: it is memory plus swap');
  if (memorySwap !== undefined && memory !== undefined && memorySwap < memory) {
    wrong('memorySwap', `must be at least memory (${memory}): it is memory plus swap`);
  }
  if (memoryReservation !== undefined && memory !== undefined && memoryReservation > memory) {
    wrong('memoryReservation', `must be at most memory (${memory}): what is above it can't be kept`);
  }
  for (const [name, value] of Object.entries(limits.ulimits ?? {})) {
    if (typeof value === 'number') continue;
    const [soft, hard] = [value.soft, value.hard].map((limit) => (limit === -1 ? Number.POSITIVE_INFINITY : limit));
    if (soft !== undefined && hard !== undefined && soft > hard) wrong('ulimits', `${name}: soft must be at most hard`);
  }
}

/** Schema of {@link Limits}; its output has sizes in bytes. */
export const limitsSchema = limitsObject.superRefine(checkLimits);

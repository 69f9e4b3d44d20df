import * as z from 'zod';
import { UnsupportedError } from '../errors.js';
import { text, word } from './schema.js';
import { type Size, sizeSchema } from './size.js';

/** Limits of a group of processes. Live-updatable where the kernel allows. Sizes are bytes or docker strings. */
export interface Limits {
  /** Memory and page cache of the whole tree, tmpfs included. At least one page. v1 memory.limit_in_bytes, v2 memory.max. */
  memory?: Size;
  /** Memory plus swap, as docker's. Default: equal to `memory`, so no swap. */
  memorySwap?: Size;
  /** Kept when memory is short: v1 memory.soft_limit_in_bytes, v2 memory.low. */
  memoryReservation?: Size;
  /** CPUs' worth of time: 1.5 is one and a half. Another way to say `cpuQuota` of a `cpuPeriod`. */
  cpus?: number;
  /** µs of CPU time in each period, at least 1,000. */
  cpuQuota?: number;
  /** µs, 1,000 to 1,000,000. Default 100,000. */
  cpuPeriod?: number;
  /** Weight against siblings, 2 to 262,144. Default 1,024. v2's cpu.weight is computed from it. */
  cpuShares?: number;
  /** CPUs as a list: '0-3,7' (cpuset(7)). */
  cpusetCpus?: string;
  /** Memory nodes as a list. */
  cpusetMems?: string;
  /** Processes and threads at one time. */
  pidsLimit?: number;
  /** Weight of block I/O, 1 to 10,000. */
  ioWeight?: number;
  ioMax?: IoMax[];
  /** By page size: { '2MB': '64m' }. */
  hugetlb?: Record<string, Size>;
  deviceRules?: DeviceRule[];
  /** Class of the net_cls controller, for tc and iptables (v1 only). */
  netClassId?: number;
  /** By docker's names: { nofile: 1024, core: 0 } (getrlimit(2)). A number sets both. */
  ulimits?: Record<string, number | { soft: number; hard: number }>;
  /** sched(7). The times of 'deadline' are ns. */
  scheduler?: Scheduler;
}

/** Limits of one block device. */
export interface IoMax {
  /** '/dev/sda' or '8:0'. */
  device: string;
  readBps?: number;
  writeBps?: number;
  readIops?: number;
  writeIops?: number;
}

/** A rule of the device controller. */
export interface DeviceRule {
  type: 'a' | 'b' | 'c';
  major?: number;
  minor?: number;
  /** Of 'r', 'w' and 'm'. */
  access: string;
  allow: boolean;
}

export interface Scheduler {
  policy: 'other' | 'batch' | 'idle' | 'fifo' | 'rr' | 'deadline';
  priority?: number;
  nice?: number;
  /** ns */
  runtime?: number;
  /** ns */
  deadline?: number;
  /** ns */
  period?: number;
}

const whole = z.int().min(0);
const ulimit = z.int().min(-1);

/** The keys of {@link Limits}, for schemas that contain them. Their combinations are checked by {@link checkLimits}. */
export const limitsShape = {
  memory: sizeSchema(4096).optional(),
  memorySwap: sizeSchema(4096).optional(),
  memoryReservation: sizeSchema().optional(),
  cpus: z.number().min(0.01).max(1e6).optional(),
  cpuQuota: z.int().min(1000).optional(),
  cpuPeriod: z.int().min(1000).max(1_000_000).optional(),
  cpuShares: z.int().min(2).max(262_144).optional(),
  cpusetCpus: word.optional(),
  cpusetMems: word.optional(),
  pidsLimit: z.int().min(1).max(4_194_304).optional(),
  ioWeight: z.int().min(1).max(10_000).optional(),
  ioMax: z
    .array(
      z.strictObject({
        device: word,
        readBps: whole.optional(),
        writeBps: whole.optional(),
        readIops: whole.optional(),
        writeIops: whole.optional(),
      }),
    )
    .optional(),
  hugetlb: z.record(text, sizeSchema()).optional(),
  deviceRules: z
    .array(
      z.strictObject({
        type: z.enum(['a', 'b', 'c']),
        major: whole.optional(),
        minor: whole.optional(),
        access: z.string().regex(/^(?!.*(.).*\1)[rwm]+$/, "must be made of 'r', 'w' and 'm'"),
        allow: z.boolean(),
      }),
    )
    .optional(),
  netClassId: whole.max(0xffffffff).optional(),
  ulimits: z.record(text, z.union([ulimit, z.strictObject({ soft: ulimit, hard: ulimit })])).optional(),
  scheduler: z
    .strictObject({
      policy: z.enum(['other', 'batch', 'idle', 'fifo', 'rr', 'deadline']),
      priority: z.int().min(0).max(99).optional(),
      nice: z.int().min(-20).max(19).optional(),
      runtime: whole.optional(),
      deadline: whole.optional(),
      period: whole.optional(),
    })
    .optional(),
};

const limitsObject = z.strictObject(limitsShape);

/** Checked limits: sizes are bytes. */
export type ParsedLimits = z.output<typeof limitsObject>;

/** Where a check tells what it found: zod's refinement context. */
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

const LATER = [
  'memoryReservation',
  'cpuShares',
  'cpusetCpus',
  'cpusetMems',
  'ioWeight',
  'ioMax',
  'hugetlb',
  'deviceRules',
  'netClassId',
  'scheduler',
] as const satisfies readonly (keyof Limits)[];

/** @throws UnsupportedError for a limit that this version can't keep: none is skipped in silence */
export function refuseLaterLimits(limits: ParsedLimits): void {
  const found = LATER.find((name) => limits[name] !== undefined);
  if (found) throw new UnsupportedError(`limit ${found}`, 'it comes in a later version');
}

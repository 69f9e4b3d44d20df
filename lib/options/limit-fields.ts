import * as z from 'zod';
import { text } from './common-fields.js';
import type { Limits } from './limit-types.js';
import { parseNumberList } from './number-list.js';
import * as json from './option-fields.js';
import { size } from './size.js';

type Ulimits = Record<string, number | { soft: number; hard: number }>;

const whole = json.int().min(0);
/** cpuset(7), "List format". */
const numberList = json
  .string()
  .regex(/^\d+(?:-\d+)?(?:,\d+(?:-\d+)?)*$/, "must be a list of numbers and ranges such as '0-3,7'")
  .refine((list) => parseNumberList(list) !== null, 'must have ranges that go up');
/** A number is read without zod; both limits are not. */
const ulimits = new json.Field<Ulimits>(json.record(text, json.int().min(-1)).read, () => {
  const limit = z.int().min(-1);
  return z.record(text.schema(), z.union([limit, z.strictObject({ soft: limit, hard: limit })]));
});

/** The usual ones of {@link Limits}, in the order in which they are applied. */
export const limitFields = {
  memory: size(4096),
  memorySwap: size(4096),
  memoryReservation: size(),
  memoryHigh: size(4096),
  memorySwappiness: json.int().min(0).max(100),
  memoryOomGroup: json.boolean(),
  kernelMemory: size(4096),
  cpus: json.number().min(0.01).max(1e6),
  cpuQuota: json.int().min(1000),
  cpuPeriod: json.int().min(1000).max(1_000_000),
  cpuBurst: whole,
  cpuShares: json.int().min(2).max(262_144),
  cpuIdle: json.boolean(),
  cpuRtRuntime: whole,
  cpuRtPeriod: json.int().min(1),
  cpusetCpus: numberList,
  cpusetMems: numberList,
  pidsLimit: json.int().min(1).max(4_194_304),
  ioWeight: json.int().min(1).max(10_000),
  ulimits,
};

const otherLimits: Readonly<Record<Exclude<keyof Limits, keyof typeof limitFields>, true>> = {
  ioMax: true,
  hugetlb: true,
  deviceRules: true,
  netClassId: true,
  netPriorities: true,
  rdma: true,
  misc: true,
  scheduler: true,
};

/** Whether an option is one of {@link Limits}. */
export function isLimit(name: string): boolean {
  return Object.hasOwn(limitFields, name) || Object.hasOwn(otherLimits, name);
}

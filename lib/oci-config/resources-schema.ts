import * as z from 'zod';
import { list, maybe, maybeBoolean, maybeSigned, maybeUnsigned, plain, unsigned } from './nullable.js';

// linux.resources of config.json (config-linux.md, "Control groups").

const throttle = list(z.object({ major: unsigned, minor: unsigned, rate: unsigned }));

/** 0 is none, as Go writes it. */
const weight = unsigned.max(1000).refine((value) => value === 0 || value >= 10, 'must be at least 10');

const deviceRule = z
  .object({
    allow: z.boolean(),
    type: maybe(z.enum(['a', 'b', 'c'])),
    major: maybeSigned,
    minor: maybeSigned,
    access: maybe(z.string()),
  })
  // an 'a', for all, is no letter of the spec; it is in rules of others that refuse, which runc takes
  .refine(({ allow, access = '' }) => (allow ? /^[rwm]*$/ : /^[rwma]*$/).test(access), {
    message: "must be made of 'r', 'w' and 'm'",
    path: ['access'],
  });

export const resourcesSchema = z.object({
  devices: list(deviceRule),
  memory: maybe(
    z.object({
      limit: maybeSigned,
      reservation: maybeSigned,
      swap: maybeSigned,
      kernel: maybeSigned,
      kernelTCP: maybeSigned,
      swappiness: maybe(unsigned.max(100)),
      disableOOMKiller: maybeBoolean,
      useHierarchy: maybeBoolean,
      checkBeforeUpdate: maybeBoolean,
    }),
  ),
  cpu: maybe(
    z.object({
      shares: maybeUnsigned,
      quota: maybeSigned,
      burst: maybeUnsigned,
      period: maybeUnsigned,
      realtimeRuntime: maybeSigned,
      realtimePeriod: maybeUnsigned,
      cpus: maybe(z.string()),
      mems: maybe(z.string()),
      idle: maybe(z.int().min(0).max(1)),
    }),
  ),
  pids: maybe(z.object({ limit: maybeSigned })),
  blockIO: maybe(
    z.object({
      weight: maybe(weight),
      leafWeight: maybe(unsigned.max(1000)),
      weightDevice: list(z.object({ major: unsigned, minor: unsigned, weight: maybe(weight), leafWeight: maybe(unsigned.max(1000)) })),
      throttleReadBpsDevice: throttle,
      throttleWriteBpsDevice: throttle,
      throttleReadIOPSDevice: throttle,
      throttleWriteIOPSDevice: throttle,
    }),
  ),
  hugepageLimits: list(z.object({ pageSize: z.string().regex(/^\d+[KMG]B$/, "must be a size such as '2MB'"), limit: unsigned })),
  network: maybe(
    z.object({
      classID: maybe(unsigned.max(0xffff_ffff)),
      priorities: list(z.object({ name: plain.min(1), priority: unsigned.max(0xffff_ffff) })),
    }),
  ),
  rdma: maybe(z.record(z.string(), z.object({ hcaHandles: maybeUnsigned, hcaObjects: maybeUnsigned }))),
  unified: maybe(z.record(z.string(), plain)),
});

export type Resources = z.output<typeof resourcesSchema>;
export type Throttle = z.output<typeof throttle>;

import * as json from '../options/option-fields.js';
import { list, maybe, maybeBoolean, maybeSigned, maybeUnsigned, plain, unsigned } from './nullable.js';

// linux.resources of config.json (config-linux.md, "Control groups").

const throttle = list(json.object({ major: unsigned, minor: unsigned, rate: unsigned }));

/** 0 is none, as Go writes it. */
const weight = unsigned.max(1000).refine((value) => value === 0 || value >= 10, 'must be at least 10');

const deviceRule = json
  .object({
    allow: json.boolean(),
    type: maybe(json.oneOf(['a', 'b', 'c'])),
    major: maybeSigned,
    minor: maybeSigned,
    access: maybe(json.string()),
  })
  // an 'a', for all, is no letter of the spec; it is in rules of others that refuse, which runc takes
  .refine(({ allow, access = '' }) => (allow ? /^[rwm]*$/ : /^[rwma]*$/).test(access), {
    message: "must be made of 'r', 'w' and 'm'",
    path: ['access'],
  });

export const resourcesSchema = json.object({
  devices: list(deviceRule),
  memory: maybe(
    json.object({
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
    json.object({
      shares: maybeUnsigned,
      quota: maybeSigned,
      burst: maybeUnsigned,
      period: maybeUnsigned,
      realtimeRuntime: maybeSigned,
      realtimePeriod: maybeUnsigned,
      cpus: maybe(json.string()),
      mems: maybe(json.string()),
      idle: maybe(json.int().min(0).max(1)),
    }),
  ),
  pids: maybe(json.object({ limit: maybeSigned })),
  blockIO: maybe(
    json.object({
      weight: maybe(weight),
      leafWeight: maybe(unsigned.max(1000)),
      weightDevice: list(json.object({ major: unsigned, minor: unsigned, weight: maybe(weight), leafWeight: maybe(unsigned.max(1000)) })),
      throttleReadBpsDevice: throttle,
      throttleWriteBpsDevice: throttle,
      throttleReadIOPSDevice: throttle,
      throttleWriteIOPSDevice: throttle,
    }),
  ),
  hugepageLimits: list(json.object({ pageSize: json.string().regex(/^\d+[KMG]B$/, "must be a size such as '2MB'"), limit: unsigned })),
  network: maybe(
    json.object({
      classID: maybe(unsigned.max(0xffff_ffff)),
      priorities: list(json.object({ name: plain.min(1), priority: unsigned.max(0xffff_ffff) })),
    }),
  ),
  rdma: maybe(json.record(json.string(), json.object({ hcaHandles: maybeUnsigned, hcaObjects: maybeUnsigned }))),
  unified: maybe(json.record(json.string(), plain)),
});

export type Resources = json.output<typeof resourcesSchema>;
export type Throttle = json.output<typeof throttle>;

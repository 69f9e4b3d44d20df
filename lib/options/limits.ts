import * as z from 'zod';
import { text, word } from './common-schemas.js';
import { limitFields } from './limit-fields.js';
import { optionalSchemas } from './option-fields.js';
import { schedulerSchema } from './scheduler.js';
import { sizeSchema } from './size.js';

export type { DeviceRule, IoMax, Limits, RdmaMax } from './limit-types.js';

const whole = z.int().min(0);
/** A word in a line for the kernel. */
const name = word.regex(/^\S+$/, 'must have names without white space');

/** The keys of {@link Limits}, for schemas that contain them. Their combinations are checked by {@link checkLimits}. */
export const limitsShape = {
  ...optionalSchemas(limitFields),
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
  scheduler: schedulerSchema.optional(),
};

const limitsObject = z.strictObject(limitsShape);

/** Checked limits: sizes are bytes. */
export type ParsedLimits = z.output<typeof limitsObject>;

/** A checked {@link DeviceRule}. */
export type ParsedDeviceRule = NonNullable<ParsedLimits['deviceRules']>[number];

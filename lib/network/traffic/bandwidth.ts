import * as z from 'zod';
import { parseOptions } from '../../options/parse-options.js';
import { type Size, sizeSchema } from '../../options/size.js';
import type { TokenBucket } from './tc-requests.js';

/** What a container may send and receive, in bytes a second, headers included; each of its links as much. */
export interface Bandwidth {
  /** What it sends. Default: no limit. */
  readonly egress?: Size | undefined;
  /** What it receives. Default: no limit. */
  readonly ingress?: Size | undefined;
}

/** In bytes a second; `null` is no limit. */
export interface ParsedBandwidth {
  readonly egress: number | null;
  readonly ingress: number | null;
}

/** Bytes a second: below, one burst lasts more than a minute. */
const LEAST = 1024;
/** Bytes a second: what may wait has 32 bits. */
const MOST = 64 * 1024 ** 3;

const rate = sizeSchema().superRefine((value, context) => {
  if (value < LEAST || value > MOST) context.addIssue(`must be from ${LEAST} to ${MOST} bytes a second, not ${value}`);
});

export const bandwidth = z
  .strictObject({ egress: rate.optional(), ingress: rate.optional() })
  .refine(({ egress, ingress }) => egress !== undefined || ingress !== undefined, 'must have egress, ingress or both');

export function parsedBandwidth({ egress, ingress }: z.output<typeof bandwidth>): ParsedBandwidth {
  return { egress: egress ?? null, ingress: ingress ?? null };
}

/** Of the rate, in s: what goes at once after a pause, and how long a packet may wait beyond that, which is what CNI's plugin bandwidth takes. */
const BURST = 0.025;
const LATENCY = 0.025;
/** The largest packet that a program's own kernel hands over, which would else be cut (GSO). */
const LEAST_BURST = 64 * 1024;

/** How a rate is kept. Pure. */
export function bucketFor(bytesPerSecond: number): TokenBucket {
  const burst = Math.max(Math.floor(bytesPerSecond * BURST), LEAST_BURST);
  return { rate: bytesPerSecond, burst, limit: burst + Math.floor(bytesPerSecond * LATENCY) };
}

const changed = z.strictObject({ bandwidth: bandwidth.nullable() });

/** Of a container that lives. @throws NacelleError `ERR_INVALID_OPTION` */
export function parseBandwidth(value: unknown): ParsedBandwidth | null {
  const { bandwidth: given } = parseOptions(changed, { bandwidth: value }, 'limits');
  return given === null ? null : parsedBandwidth(given);
}

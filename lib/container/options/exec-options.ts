import * as z from 'zod';
import { checkLimits, limitsShape, type ParsedLimits } from '../../options/limits.js';
import { parseOptions } from '../../options/parse-options.js';
import { checkProcess, normaliseProcess, type ParsedProcess, processShape } from '../../process/options/process-options.js';

/** Checked ExecOptions, defaults filled in. */
export interface ParsedExec {
  readonly process: ParsedProcess;
  /** `null`: the container's. */
  readonly umask: number | null;
  readonly privileged: boolean;
  readonly limits: ParsedLimits;
}

const schema = z
  .strictObject({
    ...processShape,
    privileged: z.boolean().optional(),
    limits: z.strictObject(limitsShape).superRefine(checkLimits).optional(),
  })
  .superRefine(checkProcess);

/** @throws NacelleError `ERR_INVALID_OPTION` */
export function parseExec(value: unknown): ParsedExec {
  const { privileged, limits, ...process } = parseOptions(schema, value, 'options');
  return {
    process: normaliseProcess(process),
    umask: process.umask ?? null,
    privileged: privileged ?? false,
    limits: Object.fromEntries(Object.entries(limits ?? {}).filter(([, limit]) => limit !== undefined)),
  };
}

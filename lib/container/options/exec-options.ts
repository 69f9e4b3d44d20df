import * as z from 'zod';
import { checkLimits } from '../../options/check-limits.js';
import { limitsShape, type ParsedLimits } from '../../options/limits.js';
import { parseOptions } from '../../options/parse-options.js';
import { checkProcess, normaliseProcess } from '../../process/options/parsed-process.js';
import { type ParsedProcess, processShape, type StdioItem, terminalShape } from '../../process/options/process-options.js';
import { type ProfileName, withExecProfile } from './profiles.js';

/** Checked ExecOptions, defaults filled in. */
export interface ParsedExec {
  readonly process: ParsedProcess;
  /** `null`: the container's. */
  readonly umask: number | null;
  readonly privileged: boolean;
  readonly detach: boolean;
  readonly limits: ParsedLimits;
}

const schema = z
  .strictObject({
    ...processShape,
    ...terminalShape,
    privileged: z.boolean().optional(),
    detach: z.boolean().optional(),
    limits: z.strictObject(limitsShape).superRefine(checkLimits).superRefine(checkRoom).optional(),
  })
  .superRefine((options, context) => {
    checkProcess(options, context);
    if (!options.detach) return;
    for (const name of ['stdin', 'stdout', 'stderr'] as const) {
      const isIgnored = options[name]?.every(({ type }) => type === 'ignore') ?? true;
      if (!isIgnored)
        context.addIssue({ code: 'custom', path: [name], message: "must be 'ignore' with detach: the program outlives this process" });
    }
    if (options.tty) context.addIssue({ code: 'custom', path: ['tty'], message: "can't go with detach" });
    if (options.input !== undefined) context.addIssue({ code: 'custom', path: ['input'], message: "can't go with detach" });
  });

const IGNORED: StdioItem[] = [{ type: 'ignore' }];

/** The process that joins counts too while it starts the one that enters the pid namespace. */
function checkRoom({ pidsLimit }: { pidsLimit?: number | undefined }, context: z.RefinementCtx): void {
  if (pidsLimit !== 1) return;
  context.addIssue({ code: 'custom', path: ['pidsLimit'], message: 'must be 2 or more: the process that starts the program counts too' });
}

/** The options where none are given, checked once. */
let defaults: ParsedExec | undefined;

/**
 * @param value `undefined` is no options. They say the same each time, so they are checked only once.
 * @param profile the container's
 * @throws NacelleError `ERR_INVALID_OPTION`
 */
export function parseExec(value: unknown, profile: ProfileName | null = null): ParsedExec {
  if (value !== undefined || profile !== null) return check(withExecProfile(value, profile), profile);
  defaults ??= frozen(check({}, null));
  return defaults;
}

/** Programs share the value, so that none may change it. */
function frozen(parsed: ParsedExec): ParsedExec {
  return Object.freeze({ ...parsed, process: Object.freeze(parsed.process), limits: Object.freeze(parsed.limits) });
}

function check(value: unknown, profile: ProfileName | null): ParsedExec {
  const { privileged, limits, detach = false, ...process } = parseOptions(schema, value, 'options');
  const streams = detach ? ({ stdin: IGNORED, stdout: IGNORED, stderr: IGNORED } as const) : {};
  return {
    process: normaliseProcess({ ...process, ...streams }, { pipesOnly: profile !== null }),
    detach,
    umask: process.umask ?? null,
    privileged: privileged ?? false,
    limits: Object.fromEntries(Object.entries(limits ?? {}).filter(([, limit]) => limit !== undefined)),
  };
}

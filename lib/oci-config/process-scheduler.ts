import { invalidOption } from '../errors.js';
import { checkOptions } from '../options/parse-options.js';
import { type ParsedScheduler, schedulerSchema } from '../options/scheduler.js';
import type { BundleProcess } from './config-schema.js';

const policyOf = {
  ...{ SCHED_OTHER: 'other', SCHED_BATCH: 'batch', SCHED_IDLE: 'idle' },
  ...{ SCHED_FIFO: 'fifo', SCHED_RR: 'rr', SCHED_DEADLINE: 'deadline' },
} as const;

type PolicyName = keyof typeof policyOf;

/** config.json's name of a policy. Pure. */
export const policyNamed = (policy: ParsedScheduler['policy']): PolicyName => `SCHED_${policy.toUpperCase() as Uppercase<typeof policy>}`;

/**
 * `process.scheduler` as this library has it (config.md, "Process"); undefined where config.json has none. A field that is 0 is one that is missing, as
 * Go writes it. Pure.
 *
 * @throws NacelleError `ERR_INVALID_OPTION` for fields that the policy does not take, or lacks
 */
export function schedulerOf({ scheduler }: Pick<BundleProcess, 'scheduler'>): ParsedScheduler | undefined {
  if (scheduler === undefined) return undefined;
  const { policy, flags: _, nice, ...numbers } = scheduler;
  // the kernel passes over a nice value that is not of the policy (sched(7)), and engines write one
  const withNice = policy === 'SCHED_OTHER' || policy === 'SCHED_BATCH' ? { ...numbers, nice } : numbers;
  const given = Object.fromEntries(Object.entries(withNice).filter(([, value]) => (value ?? 0) !== 0));
  const checked = checkOptions(schedulerSchema, { policy: policyOf[policy], ...given });
  if ('value' in checked) return checked.value;
  const [first] = checked.problems;
  throw invalidOption(`process.scheduler.${first?.name ?? ''}`, first?.text ?? 'is wrong');
}

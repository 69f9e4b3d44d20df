import * as z from 'zod';

/** How a process is scheduled (sched(7)). A program under 'deadline' can't start another. */
export interface Scheduler {
  policy: 'other' | 'batch' | 'idle' | 'fifo' | 'rr' | 'deadline';
  /** Of 'fifo' and 'rr', which need it: 1 to 99, the highest. */
  priority?: number | undefined;
  /** Of 'other' and 'batch': -20, the most favoured, to 19. Default 0. */
  nice?: number | undefined;
  /** Of 'deadline': ns of CPU time in each period, at least 1,024. */
  runtime?: number | undefined;
  /** Of 'deadline': ns from a period's start within which the time is given. Default: the period. */
  deadline?: number | undefined;
  /** Of 'deadline': ns. Default: the deadline. One of the two is needed. */
  period?: number | undefined;
}

const nanoseconds = z
  .int()
  .min(1024)
  .max(2 ** 53 - 1);

const schedulerObject = z.strictObject({
  policy: z.enum(['other', 'batch', 'idle', 'fifo', 'rr', 'deadline']),
  priority: z.int().min(1).max(99).optional(),
  nice: z.int().min(-20).max(19).optional(),
  runtime: nanoseconds.optional(),
  deadline: nanoseconds.optional(),
  period: nanoseconds.optional(),
});

export type ParsedScheduler = z.output<typeof schedulerObject>;

/** The options that each policy takes. */
const FIELDS = {
  other: ['nice'],
  batch: ['nice'],
  idle: [],
  fifo: ['priority'],
  rr: ['priority'],
  deadline: ['runtime', 'deadline', 'period'],
} as const satisfies Record<Scheduler['policy'], readonly (keyof Scheduler)[]>;

export const schedulerSchema = schedulerObject.superRefine((scheduler, context) => {
  const wrong = (field: keyof Scheduler, message: string): void => context.addIssue({ code: 'custom', path: [field], message });
  const { policy, priority, runtime, deadline = scheduler.period, period = deadline } = scheduler;
  const takes: readonly string[] = FIELDS[policy];
  for (const field of ['priority', 'nice', 'runtime', 'deadline', 'period'] as const) {
    if (scheduler[field] !== undefined && !takes.includes(field)) wrong(field, `is not of the policy '${policy}'`);
  }
  if ((policy === 'fifo' || policy === 'rr') && priority === undefined) wrong('priority', `is missing: '${policy}' needs one, 1 to 99`);
  if (policy !== 'deadline') return;
  if (runtime === undefined) wrong('runtime', "is missing: 'deadline' needs one, in ns");
  if (deadline === undefined || period === undefined) wrong('period', "is missing: 'deadline' needs one, in ns");
  else if (deadline > period) wrong('deadline', `must be at most the period (${period} ns)`);
  else if (runtime !== undefined && runtime > deadline) wrong('runtime', `must be at most the deadline (${deadline} ns)`);
});

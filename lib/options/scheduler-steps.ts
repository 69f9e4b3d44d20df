import type { Step } from '../plan/steps.js';
import type { ParsedScheduler } from './scheduler.js';

/** SCHED_* of sched.h. */
const POLICY = { other: 0, fifo: 1, rr: 2, batch: 3, idle: 5, deadline: 6 } as const;

/** The step by which the process sets its own scheduling. */
export function schedulerSteps(scheduler: ParsedScheduler | undefined): Step[] {
  if (scheduler === undefined) return [];
  const { policy, priority = 0, nice = 0, runtime = 0, deadline = scheduler.period ?? 0, period = deadline } = scheduler;
  return [{ op: 'scheduler', policy: POLICY[policy], nice: nice + 20, priority, runtime, deadline, period }];
}

import { describe, expect, it } from 'vitest';
import { schedulerSchema } from '../../../lib/options/scheduler.js';
import { schedulerSteps } from '../../../lib/options/scheduler-steps.js';

describe('a scheduler', () => {
  it.each([
    [{ policy: 'other', priority: 5 }, 'priority'],
    [{ policy: 'idle', nice: 5 }, 'nice'],
    [{ policy: 'fifo' }, 'priority'],
    [{ policy: 'rr', priority: 100 }, 'priority'],
    [{ policy: 'rr', priority: 1, nice: 0 }, 'nice'],
    [{ policy: 'deadline', period: 5000 }, 'runtime'],
    [{ policy: 'deadline', runtime: 5000 }, 'period'],
    [{ policy: 'deadline', runtime: 1023, period: 5000 }, 'runtime'],
    [{ policy: 'deadline', runtime: 5001, period: 5000 }, 'runtime'],
    [{ policy: 'deadline', runtime: 2000, deadline: 6000, period: 5000 }, 'deadline'],
  ])('%j is refused, naming %s', (value, field) => {
    expect(schedulerSchema.safeParse(value).error?.issues[0]?.path).toEqual([field]);
  });

  it('is one step, with the numbers of sched.h', () => {
    expect(schedulerSteps({ policy: 'batch', nice: -20 })).toEqual([
      { op: 'scheduler', policy: 3, nice: 0, priority: 0, runtime: 0, deadline: 0, period: 0 },
    ]);
    expect(schedulerSteps({ policy: 'deadline', runtime: 2000, period: 6000 })).toMatchObject([
      { policy: 6, nice: 20, runtime: 2000, deadline: 6000, period: 6000 },
    ]);
    expect(schedulerSteps(undefined)).toEqual([]);
  });
});

import { describe, expect, it } from 'vitest';
import { personalitySteps, prioritySteps } from '../../../lib/runtime-cli/plan/priority-steps.js';

describe('the priorities of a process', () => {
  it('are numbers that the kernel takes', () => {
    // ioprio_set(2): the class lies 13 bits above the priority; the nice value is sent with 20 added
    expect(prioritySteps({ scheduler: undefined, ioPriority: { class: 'IOPRIO_CLASS_RT', priority: 7 } })).toEqual([
      { op: 'io_priority', priority: 0x2007 },
    ]);
    expect(prioritySteps({ scheduler: undefined, ioPriority: { class: 'IOPRIO_CLASS_IDLE', priority: undefined } })).toEqual([
      { op: 'io_priority', priority: 0x6000 },
    ]);
    const scheduler = { policy: 'SCHED_BATCH', nice: -3, priority: 0, flags: [], runtime: 0, deadline: undefined, period: 0 } as const;
    expect(prioritySteps({ scheduler: { ...scheduler, flags: [] }, ioPriority: undefined })).toMatchObject([
      { op: 'scheduler', policy: 3, nice: 17, priority: 0 },
    ]);
  });

  it('are left alone where config.json has none', () => {
    expect([...prioritySteps({ scheduler: undefined, ioPriority: undefined }), ...personalitySteps(undefined)]).toEqual([]);
  });
});

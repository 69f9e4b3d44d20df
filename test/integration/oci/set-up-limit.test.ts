import { join } from 'node:path';
import { expect } from 'vitest';
import { start } from '../../../lib/native/shim.js';
import { O_RDONLY, S_IFIFO } from '../../../lib/plan/constants.js';
import { cloneStep, NONE, planOf } from '../../../lib/plan/plan.js';
import type { Step } from '../../../lib/plan/steps.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { requires } from '../../fixtures/requires.js';
import { temporaryFolder } from '../../fixtures/temporary.js';

useLeakCheck();
const { describe, it } = requires({ root: true, tools: [] });
const folder = temporaryFolder();

describe('the set-up of a stage after the first', () => {
  it('has a limit of its own, without one for the program', async () => {
    const path = join(folder, 'pipe');
    // nobody writes to the pipe: the process stands still as one does that was stopped
    const inside: Step[] = [
      { op: 'open', out: 0, at: NONE, path, flags: O_RDONLY, mode: 0 },
      { op: 'exec', path: '/bin/true', argv: ['true'], env: [] },
    ];
    const plan = planOf({
      prepare: [{ op: 'mknod', host: true, root: NONE, path, mode: S_IFIFO | 0o600, major: 0, minor: 0, uid: 0, gid: 0 }],
      stages: [
        { flags: 0, steps: [cloneStep(1, inside)] },
        { flags: 0, steps: inside },
      ],
      setUpMs: 100,
    });
    await expect(start(plan, new Map())).rejects.toMatchObject({
      code: 'ETIMEDOUT',
      message: expect.stringContaining('does not come to run'),
    });
  });

  it('does not end a program that runs', async () => {
    const inside: Step[] = [{ op: 'exec', path: '/bin/sh', argv: ['sh', '-c', 'sleep 0.5; exit 7'], env: ['PATH=/bin:/usr/bin'] }];
    const stages = [
      { flags: 0, steps: [cloneStep(1, inside)] },
      { flags: 0, steps: inside },
    ];
    const task = await start(planOf({ stages, setUpMs: 300 }), new Map());
    expect((await task.ended).exit).toEqual({ kind: 'exited', value: 7 });
  });
});

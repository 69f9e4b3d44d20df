import { expect } from 'vitest';
import { start } from '../../lib/native/shim.js';
import { NONE, planOf } from '../../lib/plan/plan.js';
import type { Step } from '../../lib/plan/steps.js';
import { useLeakCheck } from '../fixtures/leaks.js';
import { requires } from '../fixtures/requires.js';

useLeakCheck();
const { describe, it } = requires({ containers: true });

// Types refuse these. The shim does, too: a plan may come from elsewhere.
const wrong = (step: { op: string; host?: boolean } & Record<string, unknown>): Step => step as unknown as Step;
const stage = (...steps: Step[]) => planOf({ stages: [{ flags: 0, steps }] });
const refused = { code: 'EPROTO' };

describe('a step of the wrong side', () => {
  it.each([
    wrong({ op: 'lock', at: NONE, path: '/nonexistent/lock' }),
    wrong({ op: 'netlink', socket: NONE, what: 'ask', message: new Uint8Array(16), patch: NONE, patch_offset: 0 }),
    wrong({ op: 'forget', path: '/nonexistent/record' }),
  ])('of the shim is not run by the process: $op', async (step) => {
    await expect(start(stage(step), new Map())).rejects.toMatchObject({ ...refused, step: step.op });
  });

  it.each([
    wrong({ op: 'setsid', host: true }),
    wrong({ op: 'umask', host: true, mask: 0o777 }),
    wrong({ op: 'pivot', host: true, root: NONE, between: 0 }),
    wrong({ op: 'clone', host: true, stage: 0, keep: [] }),
    wrong({ op: 'park', host: true }),
  ])('of the process is not run by the shim: $op', async (step) => {
    await expect(start(stage(step), new Map())).rejects.toMatchObject({ ...refused, step: step.op });
    await expect(start(planOf({ prepare: [step] }), new Map())).rejects.toMatchObject({ ...refused, step: step.op });
  });
});

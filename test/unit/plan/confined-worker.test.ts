import { describe, expect, it } from 'vitest';
import { capabilityMask } from '../../../lib/plan/capability-names.js';
import { type ConfinedWorker, confinedStage } from '../../../lib/plan/confined-worker.js';
import { CLONE } from '../../../lib/plan/constants.js';
import { NONE } from '../../../lib/plan/plan.js';

const kept = capabilityMask('CHOWN');
const worker: ConfinedWorker = {
  namespaces: CLONE.mnt | CLONE.net,
  enter: [{ op: 'pivot', root: 3, between: 0 }],
  capabilities: kept,
  work: { op: 'unpack', input: 0, root: 3, lower: [], options: [] },
  output: NONE,
};
const ops = (more: Partial<ConfinedWorker> = {}): string[] => confinedStage({ ...worker, ...more }).steps.map(({ op }) => op);

describe('the stage of a confined worker', () => {
  it('gives up, when it has entered, every right but those of its work, and works last', () => {
    expect(ops()).toEqual([
      ...['dumpable', 'pivot', 'no_new_privileges', 'bound_capabilities', 'capabilities'],
      ...['parent_death_signal', 'work_filter', 'unpack'],
    ]);
    expect(confinedStage(worker)).toMatchObject({
      flags: CLONE.mnt | CLONE.net,
      steps: expect.arrayContaining([
        { op: 'bound_capabilities', bounding: kept },
        { op: 'capabilities', effective: kept, permitted: kept, inheritable: 0, ambient: 0 },
      ]),
    });
  });

  it('becomes a user between the two sets, and can be looked into by nobody then', () => {
    const steps = ops({ user: 7 });
    expect(steps.slice(steps.indexOf('bound_capabilities'), steps.indexOf('parent_death_signal'))).toEqual([
      ...['bound_capabilities', 'restore_user', 'dumpable', 'limit_capabilities'],
    ]);
  });

  it('has the filter of its work and its output', () => {
    const { steps } = confinedStage({ ...worker, work: { op: 'copy_out', root: 3, paths: ['/x'], to: 4, max: 1 }, output: 4 });
    expect(steps.at(-2)).toEqual({ op: 'work_filter', work: 'copy_out', output: 4 });
  });
});

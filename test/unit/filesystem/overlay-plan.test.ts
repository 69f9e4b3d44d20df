import { describe, expect, it } from 'vitest';
import { type OverlaySource, planHold, planMake, planRead, planWork } from '../../../lib/filesystem/overlay-plan.js';
import { encodePlan } from '../../../lib/native/encode.js';
import type { Plan } from '../../../lib/plan/plan.js';
import { MOUNT_ATTR } from '../../../lib/plan/recipe.js';
import type { Op, Step } from '../../../lib/plan/steps.js';

const stepsOf = (plan: Plan): readonly Step[] => plan.stages[0]?.steps ?? [];
const ops = (steps: readonly Step[]): Op[] => steps.map(({ op }) => op);

function find<O extends Op>(steps: readonly Step[], op: O): Extract<Step, { op: O }> {
  const step = steps.find((item): item is Extract<Step, { op: O }> => item.op === op);
  if (!step) throw new Error(`no step ${op}`);
  return step;
}

function source(upper: OverlaySource['upper'], lower = ['/l1', '/l2']): OverlaySource {
  return { source: 'nacelle-1', lower, upper, volatile: false, attributes: 0, isUsers: false };
}

const tmpfs = { type: 'tmpfs', size: null, root: { mode: 0o750, uid: 5, gid: 6 } } as const;

describe('the plan that makes an overlay', () => {
  it('keeps the order of the layers, the topmost first, by descriptors', () => {
    const { plan } = planMake(source(tmpfs));
    const steps = stepsOf(plan);
    const opened = steps.filter((step) => step.op === 'open');
    expect(opened.map(({ path }) => path)).toEqual(['/l1', '/l2']);
    expect(find(steps, 'overlay').lower).toEqual(opened.map(({ out }) => out));
  });

  it('names no path in an option', () => {
    const odd = '/a,b:c\\';
    const { plan } = planMake(source({ type: 'folder', upper: `${odd}u`, work: `${odd}w` }, [odd]));
    expect(find(stepsOf(plan), 'overlay').options.join()).not.toContain(odd);
  });

  it('gives its tmpfs a size only when one is asked for, and its top the owner of the topmost layer', () => {
    expect(find(stepsOf(planMake(source(tmpfs)).plan), 'filesystem').options).toEqual(['mode=755']);
    const steps = stepsOf(planMake(source({ ...tmpfs, size: 8192 })).plan);
    expect(find(steps, 'filesystem').options).toEqual(['size=8192', 'mode=755']);
    expect(find(steps, 'mkdir')).toMatchObject({ path: 'upper', mode: 0o750, uid: 5, gid: 6 });
  });

  it('adds an empty layer at the bottom where there is no upper, and makes the mount read-only', () => {
    const { plan, changes } = planMake(source({ type: 'none' }, ['/only']));
    const overlay = find(stepsOf(plan), 'overlay');
    expect(overlay).toMatchObject({ upper: -1, work: -1, attributes: 1 });
    expect(overlay.lower.at(-1)).toBe(changes);
    expect(overlay.lower).toHaveLength(2);
  });

  it('has the attributes that are asked for, and those that follow', () => {
    const made = (upper: OverlaySource['upper']) =>
      find(stepsOf(planMake({ ...source(upper), attributes: MOUNT_ATTR.NODEV }).plan), 'overlay');
    expect([made(tmpfs).attributes, made({ type: 'none' }).attributes]).toEqual([4, 5]);
  });

  it('is private, returns the mount and the changes, and makes nothing on the host', () => {
    const { plan, mount, changes } = planMake(source(tmpfs));
    expect(ops(stepsOf(plan))[0]).toBe('set_propagation');
    expect(plan.returns).toEqual([mount, changes]);
    expect([plan.prepare, plan.undo]).toEqual([[], []]);
    expect(stepsOf(plan).some(({ host }) => host)).toBe(false);
  });
});

describe('the plan that holds an overlay', () => {
  const forget: Step[] = [{ op: 'unlink', host: true, at: -1, path: '/record' }];

  it('takes away what it has attached, by its descriptor, then its record', () => {
    const { plan, slots } = planHold(7, '/target', { made: [], forget });
    const [mount] = [...slots.descriptors.keys()];
    expect(plan.prepare).toEqual([{ op: 'attach_at', host: true, mount, at: -1, path: '/target' }]);
    expect(plan.undo).toEqual([{ op: 'detach', host: true, at: mount, path: '.' }, ...forget]);
  });

  it('makes and removes a target of its own', () => {
    const { plan } = planHold(7, '/target', { made: ['/target'], forget });
    expect(ops(plan.prepare)).toEqual(['open', 'mkdir', 'close', 'attach_at']);
    expect(ops(plan.undo)).toEqual(['detach', 'remove_folder', 'unlink']);
  });

  it('makes and removes the folders around a target, from outside in and from inside out', () => {
    const { plan } = planHold(7, '/a/b', { made: ['/a', '/a/b'], forget });
    const paths = (steps: readonly Step[], op: 'mkdir' | 'remove_folder') => steps.flatMap((step) => (step.op === op ? [step.path] : []));
    expect([paths(plan.prepare, 'mkdir'), paths(plan.undo, 'remove_folder')]).toEqual([
      ['/a', '/a/b'],
      ['/a/b', '/a'],
    ]);
  });

  it('has nothing to undo when it is to persist, and says how it is undone by hand', () => {
    for (const { plan, removal } of [planHold(7, '/target', { made: ['/target'], forget: null }), planWork('/work', null)]) {
      expect(plan.undo).toEqual([]);
      expect(removal.length).toBeGreaterThan(0);
    }
  });

  it('removes a work folder with what is in it', () => {
    expect(planWork('/u/work', forget).plan.undo).toEqual([{ op: 'remove_tree', host: true, at: -1, path: '/u/work' }, ...forget]);
  });
});

describe('the plan that reads changes', () => {
  const request = { lower: ['/l1', '/l2'], target: '/target', changes: 5, output: 6, userxattr: false };

  it.each(['changes', 'pack'] as const)('confines the process before it looks at anything: %s', (work) => {
    const { plan } = planRead({ ...request, work });
    const steps = stepsOf(plan);
    // CLONE_NEWNS, CGROUP, UTS, IPC, PID, NET
    expect(plan.stages[0]?.flags).toBe(0x20000 | 0x2000000 | 0x4000000 | 0x8000000 | 0x20000000 | 0x40000000);
    expect(ops(steps).slice(-3)).toEqual(['parent_death_signal', 'work_filter', work]);
    expect(ops(steps).indexOf('pivot')).toBeLessThan(ops(steps).indexOf('bound_capabilities'));
    // DAC_READ_SEARCH and SYS_ADMIN
    const reading = (1n << 2n) | (1n << 21n);
    expect(find(steps, 'bound_capabilities').bounding).toBe(reading);
    expect(find(steps, 'capabilities')).toMatchObject({ effective: reading, permitted: reading, inheritable: 0, ambient: 0 });
  });

  it('reads the marks that the overlay has, and no others', () => {
    const marks = (userxattr: boolean) => find(stepsOf(planRead({ ...request, userxattr, work: 'changes' }).plan), 'changes').options;
    expect([marks(false), marks(true)]).toEqual([['marks=trusted'], ['marks=user']]);
  });

  it('looks below the overlay for the lower folders', () => {
    const steps = ops(stepsOf(planRead({ ...request, work: 'changes' }).plan));
    expect(steps.slice(1, 5)).toEqual(['set_propagation', 'detach', 'open', 'open']);
  });
});

it('all of them can be sent', () => {
  const read = planRead({ work: 'changes', lower: ['/l'], target: '/t', changes: 5, output: 6, userxattr: false });
  const hold = planHold(7, '/t', { made: ['/t'], forget: [] });
  for (const [plan, descriptors] of [
    [planMake(source(tmpfs)).plan, new Map()],
    [read.plan, read.slots.descriptors],
    [hold.plan, hold.slots.descriptors],
  ] as const) {
    expect(encodePlan(plan, descriptors).length).toBeGreaterThan(0);
  }
});

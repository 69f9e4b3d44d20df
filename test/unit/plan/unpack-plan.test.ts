import { describe, expect, it } from 'vitest';
import { deathOf, unpackPlan } from '../../../lib/plan/unpack-plan.js';

describe('the plan of unpacking', () => {
  const limits = { maxBytes: 1000, maxEntries: 10, maxPathLength: 100, maxDepth: 5 };
  const { plan, slots } = unpackPlan({
    input: 10,
    target: '/store/tmp/x/fs',
    lower: ['/store/top', '/store/bottom'],
    limits,
    whiteouts: 'overlay',
    by: 'root',
  });
  const steps = plan.stages[0]?.steps ?? [];
  const at = (op: string): number => steps.findIndex((step) => step.op === op);

  it('has one stage, in namespaces of its own but the user and time ones', () => {
    expect(plan.stages).toHaveLength(1);
    expect(plan.stages[0]?.flags).toBe(0x6e020000);
    expect([...slots.descriptors.values()]).toEqual([10]);
  });

  it('keeps the mounts to itself before it makes one, and unpacks last, when it can do nothing else', () => {
    expect(at('set_propagation')).toBeLessThan(at('clone_mount'));
    expect(at('pivot')).toBeLessThan(at('capabilities'));
    expect(at('bound_capabilities')).toBeLessThan(at('capabilities'));
    expect(at('no_new_privileges')).toBeLessThan(at('unpack'));
    expect(at('work_filter')).toBe(steps.length - 2);
    expect(at('unpack')).toBe(steps.length - 1);
  });

  it('keeps seven capabilities', () => {
    const step = steps.find((candidate) => candidate.op === 'capabilities');
    expect(step).toMatchObject({ effective: 0x8820001bn, permitted: 0x8820001bn, inheritable: 0, ambient: 0 });
  });

  it('shows the lower layers as mounts of their own, which can only be read', () => {
    const mounts = steps.flatMap((step) => (step.op === 'clone_mount' && step.path !== '/store/tmp/x/fs' ? [step] : []));
    expect(mounts.map(({ path }) => path)).toEqual(['/store/top', '/store/bottom']);
    expect(steps.at(-1)).toMatchObject({ lower: mounts.map(({ out }) => out) });
    for (const { out } of mounts) {
      const attributes = steps.findIndex((step) => step.op === 'set_mount' && step.mount === out && (Number(step.set) & 1) === 1);
      expect(attributes).toBeGreaterThan(0);
      expect(attributes).toBeLessThan(at('pivot'));
    }
  });

  it('hands the limits on', () => {
    const options = ['whiteouts=overlay', 'by=root', 'devices=1', 'maxBytes=1000', 'maxEntries=10', 'maxPathLength=100', 'maxDepth=5'];
    expect(steps.at(-1)).toMatchObject({ options });
  });
});

it('tells a death by the filter from others', () => {
  expect(deathOf({ kind: 'signalled', value: 31 })).toMatch(/system call that unpacking never makes/);
  expect(deathOf({ kind: 'signalled', value: 9 })).toBe('the unpacking process was killed by signal 9');
  expect(deathOf({ kind: 'exited', value: 126 })).toBe('the unpacking process ended with 126');
});

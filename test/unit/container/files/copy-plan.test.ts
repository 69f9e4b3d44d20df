import { describe, expect, it } from 'vitest';
import { planCopyFrom, planCopyTo, planLetGo, planUnpackTo } from '../../../../lib/container/files/copy-plan.js';
import { capabilityMask } from '../../../../lib/plan/capability-names.js';
import type { Plan } from '../../../../lib/plan/plan.js';
import type { Step } from '../../../../lib/plan/steps.js';
import { end, first, ops } from '../../../fixtures/container-plan.js';

const place = { mountNamespace: 20, user: 21, users: null, capabilities: capabilityMask('CHOWN', 'DAC_OVERRIDE'), keepsGroups: false };
const stepsOf = ({ plan }: { readonly plan: Plan }): readonly Step[] => plan.stages[0]?.steps ?? [];

describe('the process that reads a container', () => {
  const steps = stepsOf(planCopyFrom(place, { path: '/a/b', contentOnly: false }, 22));

  it('finds the path only as the user, who may be one without rights', () => {
    expect(first(steps, 'open_in_root')).toBeGreaterThan(first(steps, 'restore_user'));
    expect(first(steps, 'open_in_root')).toBeGreaterThan(first(steps, 'limit_capabilities'));
    expect(steps[first(steps, 'limit_capabilities')]).toMatchObject({ kept: capabilityMask('DAC_OVERRIDE') });
    expect(steps[first(steps, 'restore_user')]).toMatchObject({ apply: 1 });
  });

  it('is under the filter of its work when it reads', () => {
    expect(ops(steps).slice(-2)).toEqual(['work_filter', 'pack']);
    expect(steps.at(-1)).toMatchObject({ options: ['form=contents', 'only=b'] });
  });

  it('reads the folder itself, where only what is in it is wanted', () => {
    const inside = stepsOf(planCopyFrom(place, { path: '/a/b', contentOnly: true }, 22));
    expect(inside.filter(({ op }) => op === 'open_in_root')).toMatchObject([{ path: '/a/b' }]);
    expect(inside.at(-1)).toMatchObject({ options: ['form=contents'] });
  });
});

describe('the process that unpacks in a container', () => {
  const steps = stepsOf(planUnpackTo(place, '/a', 22));

  it('takes names of whiteouts for names, and makes no device', () => {
    expect(ops(steps).slice(-2)).toEqual(['work_filter', 'unpack']);
    expect(steps.at(-1)).toMatchObject({ options: ['whiteouts=none', 'devices=0'], lower: [] });
  });

  it('finds the folder when it can write with no more than the rights that it keeps', () => {
    expect(first(steps, 'open_in_root')).toBeGreaterThan(first(steps, 'capabilities'));
  });
});

describe('the process that writes a file in a container', () => {
  const file = {
    type: 'file',
    path: '/a',
    folderOnly: false,
    source: null,
    content: new Uint8Array([1]),
    mode: null,
    uid: null,
    gid: null,
  } as const;

  it("opens the caller's file before it enters, and writes last, as nobody that can be looked into", () => {
    const steps = stepsOf(planCopyTo(place, { ...file, source: '/host', content: null }, false));
    expect(steps[0]).toEqual({ op: 'dumpable', value: 0 });
    expect(steps[1]).toMatchObject({ op: 'open', path: '/host' });
    expect(first(steps, 'setns')).toBe(2);
    expect(first(steps, 'copy_in')).toBeGreaterThan(end(steps, 'capabilities'));
    expect(steps[first(steps, 'restore_user')]).toMatchObject({ apply: 0 });
  });

  it('gives what it makes to the user of the container, unless another was said', () => {
    const byDefault = 2n ** 64n - 1n;
    expect(stepsOf(planCopyTo(place, file, false)).find(({ op }) => op === 'write_file')).toMatchObject({ uid: byDefault, mode: 0o644 });
    expect(stepsOf(planCopyTo(place, { ...file, uid: 5 }, false)).find(({ op }) => op === 'write_file')).toMatchObject({
      uid: 5,
      gid: byDefault,
    });
  });
});

it('the process that lets go of the mounts holds them last: the shim closes its descriptor while the process waits', () => {
  const { plan, slots } = planLetGo(place);
  expect(plan.stages[0]?.steps.map(({ op, host }) => [op, host ?? false])).toEqual([
    ['parent_death_signal', false],
    ['close', true],
    ['copy_out', false],
  ]);
  expect([...slots.descriptors.values()]).toEqual([20]);
});

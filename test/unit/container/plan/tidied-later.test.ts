import { expect, it } from 'vitest';
import { parseRunOptions } from '../../../../lib/container/options/container-options.js';
import { isTidiedLater } from '../../../../lib/container/plan/tidied-later.js';
import { planOf } from '../../../../lib/plan/plan.js';
import type { Step } from '../../../../lib/plan/steps.js';

const group: Step = { op: 'remove_group', host: true, at: -1, path: '/sys/fs/cgroup/nacelle/a' };
const image = parseRunOptions({ image: 'host', command: ['true'] });
const plan = planOf({ undo: [group, group], tellsEndFirst: true });

it('is what leaves nothing but groups of its own', () => {
  expect(isTidiedLater(plan, image)).toBe(true);
  expect(isTidiedLater({ ...plan, undo: [] }, image)).toBe(true);
});

it.each<[string, Parameters<typeof isTidiedLater>]>([
  ['its end is told last', [{ ...plan, tellsEndFirst: false }, image]],
  ['something else is undone', [{ ...plan, undo: [{ op: 'close', host: true, slot: 1 }, group] }, image]],
  ["it is below a group of the caller's", [plan, { ...image, cgroupParent: '/mine' }]],
  ["it is in a group of the caller's", [plan, { ...image, cgroup: '/mine' }]],
])('is none where %s', (_, [of, options]) => {
  expect(isTidiedLater(of, options)).toBe(false);
});

import { describe, expect, it } from 'vitest';
import { parseRunOptions } from '../../../../lib/container/options/container-options.js';
import { leaveLater } from '../../../../lib/container/plan/leave-later.js';
import { isTidiedLater } from '../../../../lib/container/plan/tidied-later.js';
import { planOf } from '../../../../lib/plan/plan.js';
import type { Step } from '../../../../lib/plan/steps.js';
import { bridged, childOf } from '../../../fixtures/attachments.js';

const group: Step = { op: 'remove_group', host: true, at: -1, path: '/sys/fs/cgroup/nacelle/a' };
const close: Step = { op: 'close', host: true, slot: 1 };
const options = (more: object = {}) => parseRunOptions({ image: 'host', command: ['true'], ...more });
const rest = planOf({ undo: [group, group], tellsEndFirst: true });
const image = options();

it('is what leaves nothing but groups of its own', () => {
  expect(isTidiedLater({ rest, leave: [] }, image)).toBe(true);
  expect(isTidiedLater({ rest: { ...rest, undo: [] }, leave: [] }, image)).toBe(true);
});

it('is what leaves addresses that networks have chosen', () => {
  const plan = { rest: { ...rest, undo: [close, group] }, leave: [close] };
  expect(isTidiedLater(plan, options({ network: 'shop' }))).toBe(true);
});

it.each<[string, Parameters<typeof isTidiedLater>]>([
  ['its end is told last', [{ rest: { ...rest, tellsEndFirst: false }, leave: [] }, image]],
  ['something else is undone', [{ rest: { ...rest, undo: [close, group] }, leave: [{ ...close }] }, image]],
  [
    "it is below a group of the caller's",
    [
      { rest, leave: [] },
      { ...image, cgroupParent: '/mine' },
    ],
  ],
  [
    "it is in a group of the caller's",
    [
      { rest, leave: [] },
      { ...image, cgroup: '/mine' },
    ],
  ],
  ['it has published a port', [{ rest, leave: [] }, options({ network: 'shop', ports: ['8080:80'] })]],
  ['its address was asked for', [{ rest, leave: [] }, options({ network: [{ network: 'shop', ip: '10.1.0.7' }] })]],
])('is none where %s', (_, [of, given]) => {
  expect(isTidiedLater(of, given)).toBe(false);
});

describe('what a container leaves of its networks behind its result', () => {
  it('is all of networks by bridges, and nothing where a link or a plugin is another’s', () => {
    expect(leaveLater([bridged('10.1.0.7/16')], [close])).toEqual([close]);
    expect(leaveLater([bridged('10.1.0.7/16'), childOf('10.2.0.7/16')], [close])).toEqual([]);
    expect(leaveLater([], [close])).toEqual([]);
  });
});

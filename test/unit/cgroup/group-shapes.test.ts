import { expect, it } from 'vitest';
import { containerControllers, type GroupPlan, type GroupRequest, planGroup } from '../../../lib/cgroup/group-plan.js';
import { GroupShapes } from '../../../lib/cgroup/group-shapes.js';
import { Slots } from '../../../lib/plan/plan.js';
import { groupLayoutOf, hybrid, systemd, v1 } from './machines.js';

const ID = '0123456789abcdef0123456789abcdef';
const OTHER = 'fedcba9876543210fedcba9876543210';
const limits = { memory: 4096, pidsLimit: 3 };
const deviceRules = [{ type: 'a', access: 'rwm', allow: false }] as const;

const requestFor = (machine: typeof hybrid, more: Partial<GroupRequest> = {}) => {
  const layout = groupLayoutOf(machine, { bases: {} });
  return (id: string): GroupRequest => ({
    ...{ slots: new Slots(), layout, name: `owner/${id}`, limits, controllers: containerControllers, deviceRules, ...more },
  });
};

/** All that can be compared. */
const data = ({ cpuClock, ...group }: GroupPlan) => ({ ...group, clock: cpuClock(5) });

it.each([
  ['a hybrid machine', hybrid, {}],
  ['v2', systemd, {}],
  ['v1', v1, {}],
  ['programs that join', hybrid, { leaf: 'main' }],
  ['a group of the caller’s', hybrid, { within: 'owner' }],
] as const)('a group that is planned again is what would be planned for it: %s', (_, machine, more) => {
  const request = requestFor(machine, more);
  const shapes = new GroupShapes();
  const first = shapes.plan(request(ID), ID);
  expect(data(first)).toEqual(data(planGroup(request(ID))));
  const [again, anew] = [request(OTHER), request(OTHER)];
  const group = shapes.plan(again, OTHER);
  expect(data(group)).toEqual(data(planGroup(anew)));
  expect(again.slots.take()).toBe(anew.slots.take());
  // it was not planned anew
  expect(group.reports).toBe(first.reports);
});

it.each([
  ['another limit', { limits: { memory: 8192 } }],
  ['no rules of devices', { deviceRules: undefined }],
  ['another owner', { name: `other/${OTHER}` }],
  ['values of groups above', { above: [{ path: '/x', value: '1' }] }],
] as const)('with %s it is planned anew', (_, more) => {
  const request = requestFor(hybrid);
  const shapes = new GroupShapes();
  shapes.plan(request(ID), ID);
  const { deviceRules: rules, ...rest } = { ...request(OTHER), ...more };
  const other = (): GroupRequest => ({ ...rest, slots: new Slots(), ...(rules === undefined ? {} : { deviceRules: rules }) });
  expect(data(shapes.plan(other(), OTHER))).toEqual(data(planGroup(other())));
});

it.each([
  ['limits', { limits: { ...limits } }],
  ['controllers', { controllers: [...containerControllers] }],
  ['a leaf', { leaf: 'main' }],
  ['a feature', { deviceFilter: { available: true, reason: null, fix: null } }],
  ['a field that a request may come to have', { later: 1 }],
])('is planned anew for another object or value: %s', (_, more) => {
  const request = requestFor(hybrid);
  const shapes = new GroupShapes();
  const first = shapes.plan(request(ID), ID);
  expect(shapes.plan({ ...request(OTHER), ...more }, OTHER).reports).not.toBe(first.reports);
  expect(shapes.plan(request(OTHER), OTHER).reports).toBe(first.reports);
});

it('is planned anew each time where a file says how', () => {
  let cpus = '0-1';
  const read = (_: string, file: string): string | null => (file.includes('cpus') ? cpus : '0');
  const request = requestFor(hybrid, { limits: { cpusetCpus: '0' }, files: { has: () => true, read } });
  const shapes = new GroupShapes();
  shapes.plan(request(ID), ID);
  cpus = '1';
  expect(() => shapes.plan(request(OTHER), OTHER)).toThrow(/cpusetCpus/);
});

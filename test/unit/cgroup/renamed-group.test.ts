import { expect, it } from 'vitest';
import { containerControllers, type GroupPlan, planGroup } from '../../../lib/cgroup/group-plan.js';
import { renamedGroup } from '../../../lib/cgroup/renamed-group.js';
import { Slots } from '../../../lib/plan/plan.js';
import { groupLayoutOf, hybrid, type Machine, systemd, v1 } from './machines.js';

const ID = '0123456789abcdef0123456789abcdef';
const OTHER = 'fedcba9876543210fedcba9876543210';

const planned = (machine: Machine, id: string): Omit<GroupPlan, 'cpuClock'> => {
  const { cpuClock, ...group } = planGroup({
    slots: new Slots(),
    layout: groupLayoutOf(machine, { bases: {} }),
    name: `owner/${id}`,
    limits: { memory: 4096, pidsLimit: 3 },
    controllers: containerControllers,
    deviceRules: [{ type: 'a', access: 'rwm', allow: false }],
  });
  return group;
};

it.each([
  ['a hybrid machine', hybrid],
  ['v2', systemd],
  ['v1', v1],
])('a group under another name is what would be planned for it: %s', (_, machine) => {
  const cpuClock: GroupPlan['cpuClock'] = () => ({ limitMs: 1, at: 0, path: '', key: '', unit: 1 });
  const { cpuClock: kept, ...renamed } = renamedGroup({ ...planned(machine, ID), cpuClock }, ID, OTHER);
  expect(renamed).toEqual(planned(machine, OTHER));
  expect(kept).toBe(cpuClock);
});

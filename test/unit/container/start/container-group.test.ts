import { expect, it } from 'vitest';
import { parseRunOptions } from '../../../../lib/container/options/container-options.js';
import { lethalLimits } from '../../../../lib/container/result/group-evidence.js';
import { planContainerGroup } from '../../../../lib/container/start/container-group.js';
import { Slots } from '../../../../lib/plan/plan.js';
import { groupLayoutOf, hybrid, v1 } from '../../cgroup/machines.js';

// a machine that can't keep it
const layout = groupLayoutOf(hybrid, { swap: { total: 4096, accounted: false } });
const place = () => ({ slots: new Slots(), layout, owner: 'owner', id: 'id', devices: [], park: false });
const options = (more: object) => parseRunOptions({ image: 'host', command: ['true'], memory: '64m', pidsLimit: 5, ...more });

it('an end is judged by the limits that are kept, not by one that was left out', async () => {
  const { limits, notEnforced } = await planContainerGroup(options({ onUnsupported: 'report' }), place());
  expect(notEnforced).toEqual([{ feature: 'memory', reason: expect.stringContaining('swap') }]);
  expect(limits).toEqual({ pidsLimit: 5 });
  expect(lethalLimits(limits, false)).toMatchObject({ memory: null, pids: 5 });
});

it('a limit that can not be kept is refused where nothing says that it may be left out', async () => {
  await expect(planContainerGroup(options({}), place())).rejects.toMatchObject({ code: 'ERR_UNSUPPORTED', feature: 'limit memory' });
});

it('the groups of a run are those that limit it: processor time is counted on the unified tree, and no other group can come to be', async () => {
  const machine = groupLayoutOf(hybrid);
  const planned = (more: object) => planContainerGroup(options({}), { ...place(), layout: machine, ...more });
  const run = (await planned({ isRun: true })).group;
  expect(Object.keys(run.paths).sort()).toEqual(['devices', 'memory', 'pids', 'unified']);
  const made = run.prepare.flatMap((step) => (step.op === 'make_group' ? [step.path] : []));
  expect(run.undo.map((step) => ('path' in step ? [step.op, step.path] : []))).toEqual(made.map((path) => ['remove_group', path]));
  expect(run.usage.map(({ controller }) => controller)).not.toContain('cpuacct');
  expect(run.cpuClock(5)).toMatchObject({ path: 'cpu.stat', key: 'usage_usec' });
  expect((await planned({})).group.paths).toHaveProperty('cpuacct');
});

it('without a group on a unified tree, v1 counts processor time for a run too', async () => {
  const lost = { path: null, reason: 'it is read-only', fix: null };
  for (const machine of [groupLayoutOf(v1), groupLayoutOf(hybrid, { bases: { '/sys/fs/cgroup/unified': lost } })]) {
    const { group } = await planContainerGroup(options({}), { ...place(), layout: machine, isRun: true, isOptional: true });
    expect(group.cpuClock(5)).toMatchObject({ path: 'cpuacct.usage' });
  }
});

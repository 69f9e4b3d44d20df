import { expect, it } from 'vitest';
import { parseRunOptions } from '../../../../lib/container/options/container-options.js';
import { lethalLimits } from '../../../../lib/container/result/group-evidence.js';
import { planContainerGroup } from '../../../../lib/container/start/container-group.js';
import { Slots } from '../../../../lib/plan/plan.js';
import { groupLayoutOf, hybrid } from '../../cgroup/machines.js';

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

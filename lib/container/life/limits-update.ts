import { parseGroupLimits } from '../../cgroup/cgroup-options.js';
import { updateGroup } from '../../cgroup/update-limits.js';
import { NacelleError } from '../../errors.js';
import { groupLayout, withBases } from '../../host/cgroup-base.js';
import type { Limits } from '../../options/limits.js';
import type { Step } from '../../plan/steps.js';
import { writeNote } from '../detached/note.js';
import { deviceRulesOf } from '../start/container-group.js';
import { needGroup } from './confined.js';
import type { Life } from './life.js';

export async function update(life: Life, limits: Limits): Promise<void> {
  const parsed = parseGroupLimits(limits);
  if (life.state === 'stopped') throw new NacelleError(`update the container ${life.id}: it has ended`, { code: 'ERR_STATE' });
  needGroup(life, 'update()');
  // another process may have changed other limits
  life.learn();
  const record = life.record.current;
  const { name, paths: before, leaf, bases } = record.group;
  const layout = withBases(groupLayout(), new Map(Object.entries(bases)));
  const deviceRules = parsed.deviceRules && deviceRulesOf(record.devices, parsed);
  const make = (steps: readonly Step[]) => life.held.task.call(steps);
  const paths = await updateGroup({ layout, name, paths: before, limits: parsed, deviceRules, leaf, make });
  const { current } = life.record;
  life.record.current = { ...current, limits: { ...current.limits, ...parsed }, group: { ...current.group, paths } };
  // its end is judged by the last limits, whoever asks
  if (life.isDetached) writeNote(life.record.current);
}

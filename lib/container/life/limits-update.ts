import { parseGroupLimits } from '../../cgroup/cgroup-options.js';
import { updateGroup } from '../../cgroup/update-limits.js';
import { NacelleError, toError, withCleanupError } from '../../errors.js';
import { groupLayout, withBases } from '../../host/cgroup-base.js';
import { type Bandwidth, parseBandwidth } from '../../network/traffic/bandwidth.js';
import type { Limits } from '../../options/limits.js';
import type { Step } from '../../plan/steps.js';
import { deviceRulesOf } from '../start/container-group.js';
import { updateBandwidth } from './bandwidth-update.js';
import { needGroup } from './confined.js';
import { inTurn } from './in-turn.js';
import type { Life } from './life.js';

/** What can change while a container lives. */
export interface ContainerUpdate extends Limits {
  /** What each of its links may send and receive, in the place of what was said before; `null`: no limit. */
  bandwidth?: Bandwidth | null | undefined;
}

export async function update(life: Life, given: ContainerUpdate): Promise<void> {
  const isObject = typeof given === 'object' && given !== null;
  const { bandwidth, ...limits } = isObject ? given : {};
  const parsed = parseGroupLimits(isObject ? limits : given);
  const rates = bandwidth === undefined ? undefined : parseBandwidth(bandwidth);
  if (life.state === 'stopped') throw new NacelleError(`update the container ${life.id}: it has ended`, { code: 'ERR_STATE' });
  const hasLimits = rates === undefined || Object.values(limits).some((value) => value !== undefined);
  if (hasLimits) needGroup(life, 'update()');
  await inTurn(life, 'update()', async () => {
    const before = rates === undefined ? undefined : await updateBandwidth(life, rates);
    if (!hasLimits) return;
    try {
      await updateNoted(life, parsed);
    } catch (error) {
      if (before === undefined) throw error;
      throw withCleanupError(error, await updateBandwidth(life, before).then(() => undefined, toError));
    }
  });
}

async function updateNoted(life: Life, parsed: ReturnType<typeof parseGroupLimits>): Promise<void> {
  const record = life.record.current;
  const { name, paths: before, leaf, bases } = record.group;
  const layout = withBases(groupLayout(), new Map(Object.entries(bases)));
  const deviceRules = parsed.deviceRules && deviceRulesOf(record.devices, parsed);
  const make = (steps: readonly Step[]) => life.held.task.call(steps);
  const paths = await updateGroup({ layout, name, paths: before, limits: parsed, deviceRules, leaf, make });
  const { current } = life.record;
  // its end is judged by the last limits, whoever asks
  life.note({ ...current, limits: { ...current.limits, ...parsed }, group: { ...current.group, paths } });
}

import { readGroupFiles } from '../../cgroup/files/group-files.js';
import { readUsage } from '../../cgroup/stats/usage.js';
import type { Usage } from '../../process/options/process-types.js';
import { usageOf } from '../../process/result.js';
import { groupEvidence } from '../result/group-evidence.js';
import type { Life } from './life.js';

export async function stats(life: Life): Promise<Usage> {
  if (life.state === 'stopped') return (await life.end()).usage;
  const { group, limits } = life.record.current;
  const files = readGroupFiles(group.usage.map(({ at }) => at)).map((text) => (text === null ? null : Buffer.from(text)));
  const { usage } = groupEvidence(readUsage(group.usage, files), limits.memory ?? null);
  return usageOf({ userMs: 0, systemMs: 0, maxRssBytes: 0, voluntarySwitches: 0, involuntarySwitches: 0 }, usage);
}

import { readGroupFiles } from '../../cgroup/files/group-files.js';
import { readUsage } from '../../cgroup/stats/usage.js';
import { CLONE } from '../../plan/constants.js';
import type { Usage } from '../../process/options/process-types.js';
import { usageOf } from '../../process/result.js';
import { groupEvidence } from '../result/group-evidence.js';
import type { Life } from './life.js';
import { networkUsage } from './network-usage.js';
import { processUsage } from './process-usage.js';

/** Between two runs there is no process. */
const NOTHING = { userMs: 0, systemMs: 0, maxRssBytes: 0, voluntarySwitches: 0, involuntarySwitches: 0 };

export async function stats(life: Life): Promise<Usage> {
  const { group, limits, namespaces } = life.record.current;
  const files = readGroupFiles(group.usage.map(({ at }) => at)).map((text) => (text === null ? null : Buffer.from(text)));
  const { pid } = life.held.task;
  const ofProcess = processUsage(pid) ?? NOTHING;
  const network = namespaces.flags & CLONE.net ? networkUsage(pid) : null;
  // the number may be another process's when this one has ended
  if (life.state === 'stopped') return (await life.end()).usage;
  const { usage } = groupEvidence(readUsage(group.usage, files), limits.memory ?? null);
  return { ...usageOf(ofProcess, usage), network };
}

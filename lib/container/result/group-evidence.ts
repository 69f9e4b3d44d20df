import { blameOom, type GroupUsage } from '../../cgroup/stats/usage.js';
import type { ParsedLimits } from '../../options/limits.js';
import type { Usage } from '../../process/options/process-types.js';
import type { GroupEvidence, LethalLimits } from '../../process/result.js';

/** What the container's group tells of its end. */
export function groupEvidence(group: GroupUsage, limit: number | null): GroupEvidence {
  const { memoryPeak, memoryCurrent, pidsPeak, ioReadBytes, ioWriteBytes, throttledPeriods, throttledMs, pressure } = group;
  const { forksRefused, cpuTimeMs, userMs, systemMs } = group;
  const blame = blameOom(group, { limit, peak: group.memoryPeak });
  const counted = { memoryPeak, memoryCurrent, pidsPeak, ioReadBytes, ioWriteBytes, throttledPeriods, throttledMs, pressure };
  const usage: Partial<Usage> = { oomKills: blame.oomKills, ...counted };
  if (cpuTimeMs !== null) usage.cpuTimeMs = cpuTimeMs;
  if (userMs !== null) usage.userMs = userMs;
  if (systemMs !== null) usage.systemMs = systemMs;
  return { usage, ...blame, forksRefused };
}

/** The limits of a container that can end its program. */
export function lethalLimits({ memory, pidsLimit, ulimits = {} }: ParsedLimits, filterKills: boolean): LethalLimits {
  const [cpu, fsize] = [ulimit(ulimits.cpu), ulimit(ulimits.fsize)];
  return { memory: memory ?? null, pids: pidsLimit ?? null, cpuSeconds: cpu, fileBytes: fsize?.soft ?? null, filterKills };
}

/** Both values of a ulimit, where -1 means no limit; `null` where nothing is limited. */
function ulimit(value: number | { soft: number; hard: number } | undefined): { soft: number; hard: number } | null {
  if (value === undefined) return null;
  const { soft, hard } = typeof value === 'number' ? { soft: value, hard: value } : value;
  const of = (limit: number): number => (limit === -1 ? Number.POSITIVE_INFINITY : limit);
  return soft === -1 ? null : { soft: of(soft), hard: of(hard) };
}

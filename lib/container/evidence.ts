import type { GroupUsage } from '../cgroup/usage.js';
import type { Usage } from '../process/types.js';

/** A charge may be as large as a huge page: that far below the limit the peak of a group that hit it may stay. */
const CHARGE = 4 * 1024 ** 2;

/**
 * What the container's group tells of its end. Out of memory is the group's own when its limit was reached; without a
 * limit, or far from it, the memory of a group above ran out. (memory.failcnt of v1 alone does not tell: it stays 0 on
 * Linux 6.18.)
 */
export function groupEvidence(group: GroupUsage, limit: number | null): { usage: Partial<Usage>; oomKills: number; oomInParent: boolean } {
  const reached =
    limit !== null && ((group.memoryLimitHits ?? 0) > 0 || (group.memoryPeak ?? limit) >= Math.max(limit - CHARGE, limit / 2));
  const oomInParent = group.oomKills > 0 && !reached;
  const oomKills = oomInParent ? 0 : group.oomKills;
  const { memoryPeak, memoryCurrent, pidsPeak, ioReadBytes, ioWriteBytes, throttledPeriods, throttledMs, pressure } = group;
  const usage: Partial<Usage> = {
    memoryPeak,
    memoryCurrent,
    pidsPeak,
    ioReadBytes,
    ioWriteBytes,
    throttledPeriods,
    throttledMs,
    pressure,
    oomKills,
  };
  if (group.cpuTimeMs !== null) usage.cpuTimeMs = group.cpuTimeMs;
  if (group.userMs !== null) usage.userMs = group.userMs;
  if (group.systemMs !== null) usage.systemMs = group.systemMs;
  return { usage, oomKills, oomInParent };
}

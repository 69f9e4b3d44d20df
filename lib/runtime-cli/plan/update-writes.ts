import { parseNumber, type ReadFile } from '../../cgroup/files/interface-file-formats.js';
import { type GroupFiles, type Place, versionOf, type Write } from '../../cgroup/limits/group-write.js';
import { limitWrites } from '../../cgroup/limits/limit-writes.js';
import { UnsupportedError } from '../../errors.js';
import type { GroupLayout } from '../../host/cgroup-base.js';
import { unifiedWrites } from '../../oci-config/bundle-limits.js';
import type { Resources } from '../../oci-config/resources-schema.js';
import { resourceWritesOf, swapWrites } from './resource-writes.js';

/** What is known of the groups of a container that has limits already. */
export interface UpdateFacts {
  readonly layout: GroupLayout;
  readonly files: GroupFiles;
  /** Files of the container's own groups. */
  readonly read: ReadFile;
}

/** Limits of the CPU that are written in an order of their own. */
const ownOrder = {
  quota: undefined,
  period: undefined,
  burst: undefined,
  idle: undefined,
  realtimePeriod: undefined,
  realtimeRuntime: undefined,
} as const;

/**
 * What `update` writes, in the order in which the kernel takes it. As in runc a number of 0 leaves a limit as it is, -1 takes it away, and rules for
 * devices are left as they are. Pure.
 *
 * @throws UnsupportedError for a limit that this machine can't keep; NacelleError for values that can't go together
 */
export function updateWrites(resources: Resources, facts: UpdateFacts): Write[] {
  const { memory, cpu } = resources;
  const place: Place = { layout: facts.layout, files: facts.files };
  const plain: Resources = {
    ...resources,
    cpu: cpu === undefined ? undefined : { ...cpu, ...ownOrder },
    pids: undefined,
  };
  return [
    ...swapWrites(memory, facts),
    // an idle group takes no shares, so it ceases to be idle first
    ...(cpu?.idle === undefined ? [] : limitWrites({ cpuIdle: cpu.idle === 1 }, place)),
    ...quotaWrites(cpu, facts),
    ...realTimeWrites(cpu, facts),
    ...pidsWrites(resources.pids, facts.layout),
    ...resourceWritesOf(plain, place),
    ...unifiedWrites(resources).map(({ file, value }) => ({ controller: unified(facts.layout), file, value })),
  ];
}

function unified({ unified: tree }: GroupLayout): string {
  if (tree === null) throw new UnsupportedError('unified of the resources', 'this machine has no unified tree');
  return 'unified';
}

/** What is not named of quota and period stays, for the kernel has both. */
function quotaWrites(cpu: Resources['cpu'], { layout, files, read }: UpdateFacts): Write[] {
  const { quota = 0, period = 0, burst } = cpu ?? {};
  if (quota === 0 && period === 0 && burst === undefined) return [];
  const isV2 = versionOf('cpu', 'cpuQuota', layout) === 2;
  const write = (file: string, value: string | number): Write => ({ controller: 'cpu', file, value: String(value) });
  const ofBurst = isV2 ? 'cpu.max.burst' : 'cpu.cfs_burst_us';
  if (burst !== undefined && !files.has('cpu', ofBurst))
    throw new UnsupportedError('cpu.burst of the resources', `this kernel has no ${ofBurst}`);
  const after = burst === undefined ? [] : [write(ofBurst, burst)];
  if (quota === 0 && period === 0) return after;
  if (isV2) {
    const [had = 'max', each = '100000'] = (read('cpu', 'cpu.max') ?? '').trim().split(' ');
    return [write('cpu.max', `${quota === 0 ? had : quota < 0 ? 'max' : quota} ${period === 0 ? each : period}`), ...after];
  }
  // the old quota might be more than the new period allows, or than the group above has
  const free = quota === 0 || period === 0 ? [] : [write('cpu.cfs_quota_us', -1)];
  return [
    ...free,
    ...(period === 0 ? [] : [write('cpu.cfs_period_us', period)]),
    ...(quota === 0 ? [] : [write('cpu.cfs_quota_us', quota)]),
    ...after,
  ];
}

/**
 * The kernel refuses a runtime that is more than its period, and a share of the processor (runtime / period) that is more than the group above has. So between the two
 * writes the share is no greater than the old or the new one: the runtime comes first where the period becomes shorter, else the period.
 */
function realTimeWrites(cpu: Resources['cpu'], facts: UpdateFacts): Write[] {
  const { realtimePeriod: period = 0, realtimeRuntime: runtime = 0 } = cpu ?? {};
  const ofPeriod = period > 0 ? limitWrites({ cpuRtPeriod: period }, facts) : [];
  const ofRuntime = runtime > 0 ? limitWrites({ cpuRtRuntime: runtime }, facts) : [];
  const falls = period < (parseNumber(facts.read('cpu', 'cpu.rt_period_us') ?? '') ?? 0);
  return falls ? [...ofRuntime, ...ofPeriod] : [...ofPeriod, ...ofRuntime];
}

/** The file has the same name in both versions. */
function pidsWrites(pids: Resources['pids'], layout: GroupLayout): Write[] {
  const limit = pids?.limit ?? 0;
  if (limit === 0) return [];
  versionOf('pids', 'pidsLimit', layout);
  return [{ controller: 'pids', file: 'pids.max', value: limit < 0 ? 'max' : String(limit) }];
}

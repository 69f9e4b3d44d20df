import type { ReadFile } from '../../cgroup/files/interface-file-formats.js';
import { parseNumber } from '../../cgroup/files/interface-file-formats.js';
import { type GroupFiles, type Place, versionOf, type Write } from '../../cgroup/limits/group-write.js';
import { limitWrites } from '../../cgroup/limits/limit-writes.js';
import { UnsupportedError } from '../../errors.js';
import type { GroupLayout } from '../../host/cgroup-base.js';
import { limitsOf, unifiedWrites } from '../config/bundle-limits.js';
import type { Resources } from '../config/resources-schema.js';
import { refusal, usageError } from '../config/runtime-error.js';

/** What is known of the groups of a container that has limits already. */
export interface UpdateFacts {
  readonly layout: GroupLayout;
  readonly files: GroupFiles;
  /** Files of the container's own groups. */
  readonly read: ReadFile;
}

/**
 * What `update` writes, in the order in which the kernel takes it. As in runc a number of 0 leaves a limit as it is, -1 takes it away, and rules for
 * devices are left as they are. Pure.
 *
 * @throws UnsupportedError for a limit that this machine can't keep; NacelleError for values that can't go together
 */
export function updateWrites(resources: Resources, facts: UpdateFacts): Write[] {
  const { memory, cpu, pids, ...others } = resources;
  const place: Place = { layout: facts.layout, files: facts.files };
  const plain = limitsOf({
    ...others,
    memory: memory === undefined ? undefined : { ...memory, limit: undefined, swap: undefined },
    cpu: cpu === undefined ? undefined : { ...cpu, quota: undefined, period: undefined, burst: undefined, idle: undefined },
    pids: undefined,
  });
  return [
    ...memoryWrites(memory, facts),
    // an idle group takes no shares, so it ceases to be idle first
    ...(cpu?.idle === undefined ? [] : limitWrites({ cpuIdle: cpu.idle === 1 }, place)),
    ...quotaWrites(cpu, facts),
    ...pidsWrites(pids, facts.layout),
    ...limitWrites(plain, place),
    ...unifiedWrites(resources).map(({ file, value }) => ({ controller: unified(facts.layout), file, value })),
  ];
}

function unified({ unified: tree }: GroupLayout): string {
  if (tree === null) throw new UnsupportedError('unified of the resources', 'this machine has no unified tree');
  return 'unified';
}

function memoryWrites(memory: Resources['memory'], { layout, read }: UpdateFacts): Write[] {
  const limit = memory?.limit ?? 0;
  // whoever takes the limit away takes that of swap away too, as in runc
  const swap = memory?.swap || (limit < 0 ? -1 : 0);
  if (limit === 0 && swap === 0) return [];
  const isV2 = versionOf('memory', 'memory', layout) === 2;
  if (isV2 && memory?.checkBeforeUpdate === true && limit > 0) refuseLess(limit, parseNumber(read('memory', 'memory.current') ?? ''));
  const write = (file: string, value: string | number): Write => ({ controller: 'memory', file, value: String(value) });
  const hasSwap = countsSwap(layout, swap);
  if (isV2) {
    if (swap > 0 && limit <= 0) throw usageError('unable to set swap limit without memory limit');
    if (swap > 0 && swap < limit) throw usageError('memory+swap limit should be >= memory limit');
    return [
      ...(hasSwap ? [write('memory.swap.max', swap < 0 ? 'max' : swap - limit)] : []),
      ...(limit === 0 ? [] : [write('memory.max', limit < 0 ? 'max' : limit)]),
    ];
  }
  const both = hasSwap ? [write('memory.memsw.limit_in_bytes', swap)] : [];
  const alone = limit === 0 ? [] : [write('memory.limit_in_bytes', limit)];
  // at no moment may memory alone have more than both
  const rises = swap < 0 || swap > (parseNumber(read('memory', 'memory.memsw.limit_in_bytes') ?? '') ?? 0);
  return rises ? [...both, ...alone] : [...alone, ...both];
}

/** @throws NacelleError `ERR_STATE` */
function refuseLess(limit: number, used: number | null): void {
  if (used !== null && used > limit) throw refusal(`rejecting memory limit ${limit} as it is less than ${used}, which is in use`);
}

/** Whether a limit of swap is asked for, and can be kept; without swap there is none to limit. */
function countsSwap({ swap: { accounted, total } }: GroupLayout, swap: number): boolean {
  if (swap === 0 || accounted) return swap !== 0;
  if (swap < 0 || total === 0) return false;
  throw new UnsupportedError('memory.swap of the resources', 'the kernel does not count swap for each group', 'Boot with swapaccount=1.');
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

/** The file has the same name in both versions. */
function pidsWrites(pids: Resources['pids'], layout: GroupLayout): Write[] {
  const limit = pids?.limit ?? 0;
  if (limit === 0) return [];
  versionOf('pids', 'pidsLimit', layout);
  return [{ controller: 'pids', file: 'pids.max', value: limit < 0 ? 'max' : String(limit) }];
}

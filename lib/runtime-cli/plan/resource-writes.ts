import { parseNumber, type ReadFile } from '../../cgroup/files/interface-file-formats.js';
import { type Place, versionOf, type Write } from '../../cgroup/limits/group-write.js';
import { limitWrites } from '../../cgroup/limits/limit-writes.js';
import { UnsupportedError } from '../../errors.js';
import type { GroupLayout } from '../../host/cgroup-base.js';
import { limitsOf } from '../../oci-config/bundle-limits.js';
import type { Resources } from '../../oci-config/resources-schema.js';
import { refusal, usageError } from '../config/runtime-error.js';

type MemoryLimits = Partial<Pick<NonNullable<Resources['memory']>, 'limit' | 'swap' | 'checkBeforeUpdate'>>;

/** What the writes of limits of memory depend on. */
export interface SwapFacts {
  readonly layout: GroupLayout;
  /** Files of the container's own groups; a new group has none to read. */
  readonly read: ReadFile;
}

/** Files of weights that have the scale of linux.resources, 10 to 1,000: those of BFQ and, before Linux 5.0, of CFQ. */
const GIVEN_SCALE = new Set(['io.bfq.weight', 'blkio.bfq.weight', 'blkio.weight']);

/** All limits but those of {@link swapWrites}. Pure. @throws UnsupportedError for one that this machine can't keep */
export function resourceWritesOf(resources: Resources, place: Place): Write[] {
  const weight = resources.blockIO?.weight;
  const writes = limitWrites(limitsOf(resources), place);
  return [
    ...writes.map((write) => (GIVEN_SCALE.has(write.file) ? { ...write, value: String(weight) } : write)),
    ...deviceWeights(resources, place),
    ...oomWrites(resources, place),
    ...periodWrites(resources, place),
  ];
}

/** A period without a quota limits nothing, but is what a later quota is of. */
function periodWrites({ cpu }: Resources, { layout }: Place): Write[] {
  const { period = 0, quota = 0 } = cpu ?? {};
  if (period <= 0 || quota > 0) return [];
  const isV2 = versionOf('cpu', 'cpuPeriod', layout) === 2;
  const [file, value] = isV2 ? ['cpu.max', `max ${period}`] : ['cpu.cfs_period_us', String(period)];
  return [{ controller: 'cpu', file, value }];
}

/** Whether a group without memory left waits instead of losing a process. v2 has no such choice, and runc leaves the field out there. */
function oomWrites({ memory }: Resources, { layout }: Place): Write[] {
  if (memory?.disableOOMKiller === undefined || versionOf('memory', 'memory', layout) === 2) return [];
  return [{ controller: 'memory', file: 'memory.oom_control', value: memory.disableOOMKiller ? '1' : '0' }];
}

/** Weights for single devices, which BFQ alone has, for those whose scheduler it is. CFQ, which had them too, is gone since Linux 5.0. */
function deviceWeights({ blockIO }: Resources, { layout, files }: Place): Write[] {
  const weighed = (blockIO?.weightDevice ?? []).filter(({ weight = 0 }) => weight > 0);
  if (weighed.length === 0) return [];
  const [controller, file] = layout.controllers.has('blkio') ? ['blkio', 'blkio.bfq.weight_device'] : ['io', 'io.bfq.weight'];
  if (!files.has(controller, file))
    throw new UnsupportedError(
      'linux.resources.blockIO.weightDevice of config.json',
      `this kernel has no ${file}`,
      'Load BFQ: modprobe bfq, and set it as the scheduler of the disk.',
    );
  return weighed.map(({ major, minor, weight }) => ({ controller, file, value: `${major}:${minor} ${weight}` }));
}

/**
 * Limits of memory and of memory with swap, in the order in which the kernel takes them. A number that is missing or 0 leaves a limit as it is, -1 takes it
 * away: without a limit of swap the kernel's own stays, and is none in a new group. Pure.
 *
 * @throws UnsupportedError where swap is not counted; NacelleError for values that can't go together
 */
export function swapWrites(memory: MemoryLimits | undefined, { layout, read }: SwapFacts): Write[] {
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
  const rises = swap < 0 || swap > (parseNumber(read('memory', 'memory.memsw.limit_in_bytes') ?? '') ?? Number.POSITIVE_INFINITY);
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

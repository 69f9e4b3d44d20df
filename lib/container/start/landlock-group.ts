import type { GroupPlan } from '../../cgroup/group-plan.js';
import { UnsupportedError } from '../../errors.js';
import type { ParsedLimits } from '../../options/limits.js';
import { SIGNALS_ABI } from '../../security/landlock-rules.js';
import type { ParsedOptions } from '../options/container-options.js';
import { type NotEnforced, type PlannedGroup, planContainerGroup } from './container-group.js';

/** The group of a program under Landlock, or none where none can be made and no limit needs one. */
export interface LandlockGroup extends Omit<PlannedGroup, 'group'> {
  readonly group: GroupPlan | null;
  /** What ends what the program leaves running, where no group does: a process in a Landlock domain around it; `null` for nothing. */
  readonly guard: boolean;
}

/** Limits that a process has without a group. */
const OF_PROCESS: ReadonlySet<string> = new Set(['ulimits', 'scheduler']);

/** @throws UnsupportedError for what can't be kept, as with namespaces; and where nothing could end all that the program starts */
export async function planLandlockGroup(
  options: ParsedOptions,
  place: Parameters<typeof planContainerGroup>[1],
  abi: number,
): Promise<LandlockGroup> {
  try {
    return { ...(await planContainerGroup(options, place)), guard: false };
  } catch (error) {
    if (!(error instanceof UnsupportedError) || options.cgroup !== null || options.cgroupParent !== null) throw error;
    return withoutGroup(options, error, abi);
  }
}

/** Pure. @param refusal why there is no group */
export function withoutGroup(
  { limits, process, onUnsupported }: Pick<ParsedOptions, 'limits' | 'onUnsupported'> & { process: { cpuTimeLimit: number | null } },
  refusal: UnsupportedError,
  abi: number,
): LandlockGroup {
  const { reason, fix } = refusal;
  if (process.cpuTimeLimit !== null) throw new UnsupportedError('cpuTimeLimit', reason, fix);
  const lost = Object.keys(limits).filter((name) => !OF_PROCESS.has(name));
  if (onUnsupported === 'error') {
    if (lost[0] !== undefined) throw new UnsupportedError(`limit ${lost[0]}`, reason, fix);
    if (abi < SIGNALS_ABI) throw new UnsupportedError(TREE, `${reason}, and ${NO_SIGNALS}`, fix);
  }
  const notEnforced: NotEnforced = lost.map((feature) => ({ feature, reason }));
  if (abi < SIGNALS_ABI) notEnforced.push({ feature: TREE, reason: `${reason}, and ${NO_SIGNALS}` });
  const kept: ParsedLimits = Object.fromEntries(Object.entries(limits).filter(([name]) => OF_PROCESS.has(name)));
  return { group: null, guard: abi >= SIGNALS_ABI, limits: kept, notEnforced, records: [] };
}

const TREE = 'an end for all that the program starts';
const NO_SIGNALS = 'this kernel has no other way to reach it: Landlock confines signals from Linux 6.12 on';

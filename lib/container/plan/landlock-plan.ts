import type { GroupPlan } from '../../cgroup/group-plan.js';
import { schedulerSteps } from '../../options/scheduler-steps.js';
import { ANYWHERE, type CpuClock, NONE, type Plan, planOf, type Slots } from '../../plan/plan.js';
import type { Slot, Step } from '../../plan/steps.js';
import type { ParsedProcess } from '../../process/options/process-options.js';
import { findUser, tailSteps } from '../../process/program-steps.js';
import type { Streams } from '../../process/streams/child-end.js';
import { planHostStreams } from '../../process/streams/stream-steps.js';
import { handledBy, type PathRule, portRules, rightsOf, type TcpPorts } from '../../security/landlock-rules.js';
import { resolveUlimits } from '../../security/rlimits.js';
import { killGroupOf } from './container-plan.js';
import { bornIn, joinSteps } from './container-stages.js';
import { pumpSteps } from './container-streams.js';
import { oomScoreSteps } from './process-steps.js';
import type { ProgramSpec } from './program-spec.js';

/** Everything that the plan of a program under Landlock depends on: plain data. */
export interface LandlockInput {
  readonly slots: Slots;
  readonly abi: number;
  readonly paths: readonly PathRule[];
  /** `null` leaves TCP as it is. */
  readonly ports: TcpPorts | null;
  /** Filters of system calls, in the order in which they are loaded. */
  readonly filters: readonly Uint8Array[];
  /** The absolute path of the run's own folder; `null` for none. */
  readonly folder: string | null;
  readonly argv: readonly string[];
  readonly program: ProgramSpec;
  /** The user to become; `null` keeps that of this process, who is not root. */
  readonly user: string | null;
  readonly streams: Streams;
  /** `null` where none can be made. */
  readonly group: GroupPlan | null;
  /** A process ends what the program leaves running. */
  readonly guard: boolean;
  readonly cpuClock: CpuClock | null;
  readonly options: Pick<ParsedProcess, 'killSignal' | 'forceKillAfterDelay' | 'timeout'>;
  /** Host steps that remove the record of what is made on the host. */
  readonly journal: readonly Step[];
  readonly park: boolean;
}

/**
 * A program on the host's own files and in the host's namespaces, which Landlock and filters confine. Nothing is mounted: all that it opens of the
 * host is opened before, and the rules are the last that it gets but for the filters. Pure.
 */
export function planLandlock(input: LandlockInput): Plan {
  const { slots, group, folder, user, program, options, abi } = input;
  const [own, ruleset, guard] = [slots.take(), slots.take(), slots.take()];
  const streams = planHostStreams(input.streams.ends, slots);
  const { confine, run } = tailSteps({
    cwd: { path: program.cwd, create: 0, ...ANYWHERE },
    streams,
    givePipes: user !== null,
    umask: program.umask,
    user,
    argv: input.argv,
    env: program.env,
    beforeUser: [
      ...resolveUlimits(program.ulimits ?? {}).map((limit): Step => ({ op: 'rlimit', ...limit })),
      ...schedulerSteps(program.scheduler),
      { op: 'no_new_privileges' },
      // another user than root may not change the bounding set, of which no_new_privs lets nothing be had
      ...(user === null ? [] : [{ op: 'bound_capabilities', bounding: 0 } as const]),
    ],
    afterUser: [
      { op: 'capabilities', effective: 0, permitted: 0, inheritable: 0, ambient: 0 },
      ...(input.guard ? guardSteps(guard) : []),
      { op: 'landlock_restrict', ruleset },
      ...input.filters.map((filter): Step => ({ op: 'seccomp', filter })),
    ],
    beforeExec: input.park ? [{ op: 'park' }] : [],
  });
  const steps: Step[] = [
    ...joinSteps(group ?? { join: [] }),
    { op: 'setsid' },
    ...oomScoreSteps(program),
    ...(user === null ? [] : findUser({ user, groupAdd: program.groupAdd }, ANYWHERE)),
    ...(user === null || folder === null ? [] : [{ op: 'chown', slot: own } as const]),
    ...streams.open,
    { op: 'landlock_ruleset', out: ruleset, ...handledBy(abi, { confinesPorts: input.ports !== null }) },
    ...ruleSteps(input, ruleset),
    ...(folder === null ? [] : [ownFolderStep({ ruleset, folder: own }, abi)]),
    ...confine,
    ...run,
  ];
  return planOf({
    prepare: [...(group?.prepare ?? []), ...makeFolder(folder, own), ...pumpSteps(input.streams.copies, slots)],
    stages: [{ flags: 0, ...(group === null ? {} : bornIn(group)), steps }],
    undo: [
      ...(input.guard ? [{ op: 'end_guarded', host: true, guard } as const] : []),
      ...(folder === null ? [] : [{ op: 'remove_tree', host: true, at: NONE, path: folder } as const]),
      ...(group?.undo ?? []),
      ...input.journal,
    ],
    reports: group?.reports ?? [],
    ...(group === null ? {} : killGroupOf(group)),
    ending: { signal: options.killSignal, forceKillAfterMs: options.forceKillAfterDelay },
    ...(options.timeout === null ? {} : { timeoutMs: options.timeout }),
    ...(input.cpuClock === null ? {} : { cpuClock: input.cpuClock }),
  });
}

/** Its domain lies around that of the program, which therefore reaches it by no signal. */
function guardSteps(guard: Slot): Step[] {
  return [
    { op: 'guard', out: guard },
    { op: 'give', slot: guard },
    { op: 'close', slot: guard },
  ];
}

function ruleSteps({ paths, ports, abi }: LandlockInput, ruleset: Slot): Step[] {
  return [
    ...paths
      .filter((rule) => rule.paths.length > 0)
      .map(
        (rule): Step => ({ op: 'landlock_paths', ruleset, paths: rule.paths, rights: rightsOf(rule, abi), missing: rule.mayMiss ? 1 : 0 }),
      ),
    ...(ports === null ? [] : portRules(ports, abi).map((rule): Step => ({ op: 'landlock_port', ruleset, ...rule }))),
  ];
}

function ownFolderStep(slots: { readonly ruleset: Slot; readonly folder: Slot }, abi: number): Step {
  return { op: 'landlock_folder', ...slots, rights: rightsOf({ access: 'write-and-run', isFolder: true }, abi) };
}

function makeFolder(path: string | null, out: Slot): Step[] {
  return path === null ? [] : [{ op: 'mkdir', host: true, out, root: NONE, path, mode: 0o700, uid: 0, gid: 0 }];
}

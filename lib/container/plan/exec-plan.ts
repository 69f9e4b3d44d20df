import type { GroupPlan } from '../../cgroup/group-plan.js';
import { CLONE, O_PATH, PROPAGATION } from '../../plan/constants.js';
import { ANYWHERE, type CpuClock, NONE, type Plan, planOf, REFUSE_DESCRIPTORS, type Slots, type Stage } from '../../plan/plan.js';
import type { Slot, Step } from '../../plan/steps.js';
import { enterUserNamespace, type UserMaps } from '../../plan/userns-maps.js';
import type { ParsedProcess } from '../../process/options/process-options.js';
import { findUser } from '../../process/program-steps.js';
import type { Streams } from '../../process/streams/child-end.js';
import { planDenials } from './call-filter.js';
import { killGroupOf } from './container-plan.js';
import { bornIn, joinSteps } from './container-stages.js';
import { planStreams } from './container-streams.js';
import { enterPid } from './enter-pid.js';
import { oomScoreSteps, planProcess } from './process-steps.js';
import type { ProgramSpec } from './program-spec.js';
import { takeTerminal } from './terminal-steps.js';
import { splitProgram } from './userns-process.js';

/** Everything that the plan of a program in a running container depends on. */
export interface ExecInput {
  readonly slots: Slots;
  /** Node's pidfd of the container's first process, whose namespaces are joined. */
  readonly process: number;
  /** CLONE_NEW* of the namespaces to join: those that the container does not share with the host. */
  readonly namespaces: { readonly flags: number; readonly entersPid: boolean };
  /** The maps of the container's user namespace, which is among them; `null` where that is the host's. */
  readonly userns: UserMaps | null;
  /** The shim has no rights over the host's mounts where it is, so the process clones them in a mount namespace of its own. */
  readonly unsharesMounts?: boolean;
  /** The program's own group, below the container's. */
  readonly group: GroupPlan;
  readonly cpuClock: CpuClock | null;
  readonly program: ProgramSpec;
  readonly argv: readonly string[];
  readonly streams: Streams;
  /** The container's devices may refuse its own processes the null device. */
  readonly nullByShim: boolean;
  readonly options: Pick<ParsedProcess, 'killSignal' | 'forceKillAfterDelay' | 'timeout'>;
  /** What the program leaves running goes on until the container ends, whose group then takes this one along. */
  readonly detach: boolean;
}

/** The plan, and the slot in it that Node asks for. */
export interface ExecPlan extends Plan {
  /** The master of the program's terminal; NONE where it has no terminal. */
  readonly master: Slot;
}

/** A mount namespace in which the process may clone mounts until it joins the container's. */
const ownMounts: readonly Step[] = [
  { op: 'unshare', flags: CLONE.mnt },
  { op: 'set_propagation', path: '/', propagation: PROPAGATION.slave },
];

/**
 * A program that joins a running container. Its process is born in the program's own group, opens what is the host's, joins the namespaces of
 * the container's first process, and confines itself as the container's own program did. Only then a child of it enters the pid namespace.
 * Pure.
 */
export function planExec(input: ExecInput): ExecPlan {
  const { slots, group, options, namespaces } = input;
  const [process, root, dev] = [slots.give(input.process), slots.take(), slots.take()];
  const streams = planStreams(input.streams, slots, { dev, byShim: input.nullByShim });
  const { terminal } = streams;
  const beforeExec = takeTerminal(terminal, { newSession: false });
  const listener = input.program.denials ? slots.take() : null;
  const whole = planProcess(input.program, { streams, argv: input.argv, listener, cwd: { create: 0, ...ANYWHERE }, beforeExec });
  const { outside, program } = input.userns === null ? { outside: [], program: whole } : splitProgram(whole, input.userns);
  const setUp: Step[] = [
    ...joinSteps(group),
    { op: 'setsid' },
    ...oomScoreSteps(input.program),
    ...(input.unsharesMounts && streams.open.length > 0 ? ownMounts : []),
    ...streams.open,
    ...outside,
    { op: 'join_process', process, flags: namespaces.flags },
    ...(input.userns === null ? [] : enterUserNamespace),
    { op: 'keyring' },
    ...(streams.openNull.length === 0 ? [] : openDev(root, dev)),
    ...streams.openNull,
    ...findUser(input.program, ANYWHERE),
    ...(terminal?.make ?? []),
  ];
  const { early, stages } = stagesOf(group, setUp, { namespaces, program });
  const plan = planOf({
    // a group must not be made anew for a container that has ended
    prepare: [{ op: 'require_running', host: true, process }, ...group.prepare, ...streams.prepare, ...early],
    stages,
    undo: input.detach ? [] : group.undo,
    ...(input.detach ? { leavesTree: true } : {}),
    reports: group.reports,
    returns: terminal ? [terminal.master] : [],
    ...killGroupOf(group),
    ending: { signal: options.killSignal, forceKillAfterMs: options.forceKillAfterDelay },
    ...(options.timeout === null ? {} : { timeoutMs: options.timeout }),
    ...(input.cpuClock === null ? {} : { cpuClock: input.cpuClock }),
    ...planDenials(input.program, listener),
  });
  return { master: terminal?.master ?? NONE, ...plan };
}

/** The stages, and what can be done before the first one begins. */
function stagesOf(
  group: GroupPlan,
  setUp: readonly Step[],
  { namespaces, program }: Pick<ExecInput, 'namespaces'> & { program: ReturnType<typeof planProcess> },
): { readonly early: readonly Step[]; readonly stages: readonly Stage[] } {
  const begin = { flags: 0, ...bornIn(group) };
  if (!namespaces.entersPid) return { early: [], stages: [{ steps: [...setUp, ...program.confine, ...program.run], ...begin }] };
  const { outside, inside } = enterPid(program, 1);
  // where the process hands nothing over, nothing is taken from it from the beginning, and the process need not ask and wait for that
  const [early, later] = [...setUp, ...outside].some(({ op }) => op === 'give')
    ? [[], outside]
    : [[REFUSE_DESCRIPTORS], outside.filter((step) => step !== REFUSE_DESCRIPTORS)];
  return {
    early,
    stages: [
      { steps: [...setUp, ...later], ...begin },
      { flags: 0, steps: inside },
    ],
  };
}

/** The container's own /dev. Its root may have made a link of it, which leads nowhere but into the container. */
function openDev(root: number, dev: number): Step[] {
  return [
    { op: 'open', out: root, at: NONE, path: '/', flags: O_PATH, mode: 0 },
    { op: 'open_in_root', out: dev, root, path: 'dev', flags: O_PATH },
  ];
}

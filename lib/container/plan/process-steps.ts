import { schedulerSteps } from '../../options/scheduler-steps.js';
import type { Slot, Step } from '../../plan/steps.js';
import { type ProgramTail, type TailSteps, tailSteps } from '../../process/program-steps.js';
import { resolveUlimits } from '../../security/rlimits.js';
import { loadFilter } from './call-filter.js';
import type { ProgramSpec } from './program-spec.js';

/** What a program has beside its spec. */
type Extras = Pick<ProgramTail, 'streams' | 'argv'> & {
  readonly cwd: Omit<ProgramTail['cwd'], 'path'>;
  readonly beforeExec?: readonly Step[];
  /** The slot for the filter's listener; `null` for a program that has none beside it. */
  readonly listener: Slot | null;
  /** Its bounding set is what it is to be already. Default: no. */
  readonly isBounded?: boolean;
};

/** Steps that turn the set-up process into the program, whose user was looked up. The order is runc's. */
export function planProcess(spec: ProgramSpec, { cwd, listener, isBounded = false, ...extras }: Extras): TailSteps {
  const { capabilities, noNewPrivileges } = spec;
  const load = loadFilter(spec, listener);
  const early = noNewPrivileges ? [] : load;
  const late = noNewPrivileges ? load : [];
  return tailSteps({
    cwd: { path: spec.cwd, ...cwd },
    givePipes: true,
    umask: spec.umask,
    user: spec.user,
    env: spec.env,
    beforeUser: [
      // the process still has CAP_SYS_NICE here
      ...limitSteps(spec),
      ...(noNewPrivileges ? [{ op: 'no_new_privileges' } as const] : []),
      // without no_new_privs a filter needs CAP_SYS_ADMIN, so it must come before that goes
      ...early,
      ...(isBounded ? [] : [boundSet(spec)]),
      { op: 'keep_capabilities' },
    ],
    afterUser: [
      // execve leaves none of these to a user other than root (capabilities(7)): only the bounding set matters
      { op: 'capabilities', effective: capabilities, permitted: capabilities, inheritable: 0, ambient: 0 },
      ...late,
    ],
    ...extras,
  });
}

/** Steps for what the kernel limits and how it schedules the program, which take rights. */
export function limitSteps({ ulimits, scheduler }: Pick<ProgramSpec, 'ulimits' | 'scheduler'>): Step[] {
  return [...resolveUlimits(ulimits ?? {}).map((limit): Step => ({ op: 'rlimit', ...limit })), ...schedulerSteps(scheduler)];
}

/** What the program, and whatever it executes, can have at most: a system call for each capability that it can't have. */
export function boundSet({ capabilities }: Pick<ProgramSpec, 'capabilities'>): Step {
  return { op: 'bound_capabilities', bounding: capabilities };
}

/** Steps for the score by which the kernel picks whom to kill when memory runs out. They come while /proc is the host's. */
export function oomScoreSteps({ oomScoreAdj }: ProgramSpec): Step[] {
  return oomScoreAdj === null ? [] : [{ op: 'oom_score_adj', value: String(oomScoreAdj) }];
}

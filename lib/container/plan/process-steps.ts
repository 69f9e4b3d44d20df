import { schedulerSteps } from '../../options/scheduler.js';
import { REFUSE_DESCRIPTORS } from '../../plan/plan.js';
import type { Step } from '../../plan/steps.js';
import { type TailSteps, tailSteps } from '../../process/program-steps.js';
import type { StreamPlan } from '../../process/streams/stream-steps.js';
import { resolveUlimits } from '../../security/rlimits.js';
import { groundOf, type Place } from './ground.js';
import type { PlanInput } from './plan-input.js';

/** Steps that turn the set-up process into the program, whose user was looked up. The order is runc's. */
export function planProcess(
  { options, argv, env, cwd, user, capabilities, filter, park }: PlanInput,
  { streams, places }: { streams: StreamPlan; places: readonly Place[] },
): TailSteps {
  const load: Step[] = filter === null ? [] : [{ op: 'seccomp', filter }];
  const early = options.noNewPrivileges ? [] : load;
  const late = options.noNewPrivileges ? load : [];
  return tailSteps({
    cwd: { path: cwd, create: 1, ...groundOf(places, cwd) },
    streams,
    givePipes: true,
    umask: options.process.umask,
    user,
    beforeUser: [
      ...resolveUlimits(options.limits.ulimits ?? {}).map((limit): Step => ({ op: 'rlimit', ...limit })),
      // the process still has CAP_SYS_NICE here
      ...schedulerSteps(options.limits.scheduler),
      ...(options.noNewPrivileges ? [{ op: 'no_new_privileges' } as const] : []),
      // without no_new_privs a filter needs CAP_SYS_ADMIN, so it must come before that goes
      ...early,
      { op: 'bound_capabilities', bounding: capabilities },
      { op: 'keep_capabilities' },
    ],
    afterUser: [
      // execve leaves none of these to a user other than root (capabilities(7)): only the bounding set matters
      { op: 'capabilities', effective: capabilities, permitted: capabilities, inheritable: 0, ambient: 0 },
      ...late,
    ],
    beforeExec: [...(options.init ? [REFUSE_DESCRIPTORS, { op: 'init' } as const] : []), ...(park ? [{ op: 'park' } as const] : [])],
    argv,
    env,
  });
}

import { schedulerSteps } from '../../plan/scheduler.js';
import type { Step } from '../../plan/steps.js';
import { resolveUlimits } from '../../security/rlimits.js';
import type { PlanInput } from './input.js';

const SIGKILL = 9;

/** Steps that turn the set-up process into the program: streams, limits, user, capabilities, filter, execve. The order is runc's. */
export function planProcess({ slots, options, argv, env, cwd, user, stdio, capabilities, filter, park }: PlanInput): Step[] {
  const load: Step[] = filter === null ? [] : [{ op: 'seccomp', filter }];
  const early = options.noNewPrivileges ? [] : load;
  const late = options.noNewPrivileges ? load : [];
  return [
    { op: 'user', user, apply: 0 },
    { op: 'chdir', path: cwd, create: 1 },
    ...stdio.flatMap(({ fd, ours }, number): Step[] => {
      const slot = slots.give(fd);
      return [...(ours ? [{ op: 'chown', slot } as const] : []), { op: 'stdio', slot, fd: number }];
    }),
    { op: 'umask', mask: options.process.umask },
    ...resolveUlimits(options.limits.ulimits ?? {}).map((limit): Step => ({ op: 'rlimit', ...limit })),
    // while it still has CAP_SYS_NICE
    ...schedulerSteps(options.limits.scheduler),
    ...(options.noNewPrivileges ? [{ op: 'no_new_privileges' } as const] : []),
    // without no_new_privs a filter needs CAP_SYS_ADMIN, so it must come before that goes
    ...early,
    { op: 'bound_capabilities', bounding: capabilities },
    { op: 'keep_capabilities' },
    { op: 'user', user, apply: 1 },
    // of another user than root, execve leaves none of these (capabilities(7)): only the bounding set matters
    { op: 'capabilities', effective: capabilities, permitted: capabilities, inheritable: 0, ambient: 0 },
    // after the change of user, which clears it
    { op: 'parent_death_signal', signal: SIGKILL },
    ...late,
    ...(options.init ? [{ op: 'init' } as const] : []),
    ...(park ? [{ op: 'park' } as const] : []),
    { op: 'exec', path: argv[0] ?? '', argv: [...argv], env: [...env] },
  ];
}

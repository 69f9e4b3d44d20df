import { ANYWHERE, type Ground, NONE } from '../../plan/plan.js';
import type { Slot, Step } from '../../plan/steps.js';
import type { Rlimit } from '../../security/rlimits.js';
import type { BundleProcess } from '../config/config-schema.js';
import { type CapabilitySets, processEnvironment } from '../config/process-facts.js';

/** A filter of system calls, as the kernel takes it. */
export interface LoadedFilter {
  readonly filter: Uint8Array;
  /** SECCOMP_FILTER_FLAG_*. */
  readonly flags: number;
}

/** Everything that the program's own steps depend on. */
export interface BundleProgram {
  readonly process: BundleProcess;
  readonly capabilities: CapabilitySets;
  readonly limits: readonly Rlimit[];
  readonly filter: LoadedFilter | null;
  /** The slots that become 0, 1 and 2. */
  readonly streams: readonly [Slot, Slot, Slot];
  /** The first of the streams is a terminal. */
  readonly hasTerminal: boolean;
  /** The slots that become 3 and those after it. */
  readonly passed: readonly Slot[];
}

/**
 * Steps that look the user up, in the root's own files: they say where the home is. The supplementary groups are those of config.json alone, without the
 * user's own unless that is among them, as runc and crun have it: engines put it there (CVE-2022-36109).
 */
export function findBundleUser({ user: { uid, gid, additionalGids } }: BundleProcess, ground: Ground): Step[] {
  return [
    { op: 'user', user: `${uid}:${gid}`, apply: 0, ...ground },
    { op: 'only_groups', groups: additionalGids.map(String) },
  ];
}

/**
 * Steps that make the process the program, all but the last: `wait` comes directly before execve. The order is runc's: without no_new_privs a filter
 * needs CAP_SYS_ADMIN, so it comes before that goes; else it comes last, so that it need not allow what sets the process up. Pure.
 */
export function bundleProgramSteps(
  { process, capabilities, limits, filter, streams, hasTerminal, passed }: BundleProgram,
  { cwd, wait }: { readonly cwd: { readonly create: 0 | 1 } & Ground; readonly wait: readonly Step[] },
): { readonly confine: readonly Step[]; readonly run: readonly Step[] } {
  const noNewPrivileges = process.noNewPrivileges ?? false;
  const load = filter === null ? [] : [loadStep(filter)];
  const [program = ''] = process.args;
  const env = processEnvironment(process);
  const { bounding, effective, permitted, inheritable, ambient } = capabilities;
  return {
    confine: [
      { op: 'chdir', path: process.cwd, ...cwd },
      ...streams.map((slot, fd): Step => ({ op: 'stdio', slot, fd })),
      ...(passed.length === 0 ? [] : [{ op: 'pass_descriptors', slots: passed } as const]),
      { op: 'umask', mask: process.user.umask ?? 0o022 },
      ...limits.map((limit): Step => ({ op: 'rlimit', ...limit })),
      { op: 'find_program', path: program, env },
      ...(noNewPrivileges ? [{ op: 'no_new_privileges' } as const] : load),
      { op: 'bound_capabilities', bounding },
      { op: 'keep_capabilities' },
      { op: 'user', user: `${process.user.uid}:${process.user.gid}`, apply: 1, ...ANYWHERE },
      { op: 'dumpable', value: 0 },
      { op: 'capabilities', effective, permitted, inheritable, ambient },
      ...(noNewPrivileges ? load : []),
    ],
    run: [...(hasTerminal ? [{ op: 'control_terminal' } as const] : []), ...wait, { op: 'exec', path: program, argv: process.args, env }],
  };
}

function loadStep({ filter, flags }: LoadedFilter): Step {
  return flags === 0 ? { op: 'seccomp', filter } : { op: 'load_call_filter', out: NONE, filter, flags };
}

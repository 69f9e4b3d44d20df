import type { BundleLinux, BundleProcess } from '../../oci-config/config-schema.js';
import { ANYWHERE, cloneStep, type Ground, NONE, REFUSE_DESCRIPTORS } from '../../plan/plan.js';
import type { Slot, Step } from '../../plan/steps.js';
import { KEEP_GROUPS } from '../../process/program-steps.js';
import type { SeccompListener } from '../../security/oci-profile/parsed-profile.js';
import type { Rlimit } from '../../security/rlimits.js';
import { type CapabilitySets, processEnvironment } from '../config/process-facts.js';
import type { ConsoleRequest } from './console-of-plan.js';
import { memoryPolicySteps, personalitySteps, prioritySteps } from './priority-steps.js';

/** A filter of system calls, as the kernel takes it. */
export interface LoadedFilter {
  readonly filter: Uint8Array;
  /** SECCOMP_FILTER_FLAG_*. */
  readonly flags: number;
  /** Who is asked of the calls of SCMP_ACT_NOTIFY. */
  readonly listener: SeccompListener | null;
}

/** The slot for a filter's listener, and what is sent with it, cut where the number of the process stands. */
export interface Listening {
  readonly slot: Slot;
  readonly state: readonly string[];
}

/** Everything that the program's own steps depend on. */
export interface BundleProgram {
  readonly process: BundleProcess;
  /** linux of config.json. */
  readonly linux: BundleLinux | undefined;
  readonly capabilities: CapabilitySets;
  readonly limits: readonly Rlimit[];
  readonly filter: LoadedFilter | null;
  /** `null`: the filter has no listener. */
  readonly listening: Listening | null;
  /** The slots that become 0, 1 and 2. */
  readonly streams: readonly [Slot, Slot, Slot];
  /** The first of the streams is a terminal. */
  readonly hasTerminal: boolean;
  /** The slots that become 3 and those after it; NONE: the program has none of that number. */
  readonly passed: readonly Slot[];
  /** The process still has the right to choose its scheduler when it confines itself: not in a user namespace of its own. */
  readonly maySchedule: boolean;
}

/**
 * Steps that look the user up, in the root's own files: they say where the home is. The supplementary groups are those of config.json alone, without the
 * user's own unless that is among them, as runc and crun have it: engines put it there (CVE-2022-36109).
 */
export function findBundleUser(
  { user: { uid, gid, additionalGids } }: BundleProcess,
  ground: Ground,
  { keepsGroups }: { readonly keepsGroups: boolean },
): Step[] {
  return [
    { op: 'user', user: `${uid}:${gid}`, apply: 0, ...ground },
    keepsGroups ? KEEP_GROUPS : { op: 'only_groups', groups: additionalGids.map(String) },
  ];
}

/**
 * Steps that make the process the program, all but the last: `wait` comes directly before execve. The order is runc's: without no_new_privs a filter
 * needs CAP_SYS_ADMIN, so it comes before that goes; else it comes last, so that it need not allow what sets the process up. Pure.
 */
export function bundleProgramSteps(
  { process, linux, capabilities, limits, filter, listening, streams, hasTerminal, passed, maySchedule }: BundleProgram,
  { cwd, wait }: { readonly cwd: { readonly create: 0 | 1 } & Ground; readonly wait: readonly Step[] },
): { readonly confine: readonly Step[]; readonly run: readonly Step[] } {
  const noNewPrivileges = process.noNewPrivileges ?? false;
  const load = filter === null ? [] : loadSteps(filter, listening);
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
      ...(maySchedule ? prioritySteps(process) : []),
      ...personalitySteps(linux),
      ...memoryPolicySteps(linux),
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

/** The listener is sent before anything else is done: whoever gets it answers the calls of all that follows. */
function loadSteps({ filter, flags, listener }: LoadedFilter, listening: Listening | null): Step[] {
  if (listener === null || listening === null)
    return [flags === 0 ? { op: 'seccomp', filter } : { op: 'load_call_filter', out: NONE, filter, flags }];
  const { slot, state } = listening;
  return [
    { op: 'load_call_filter', out: slot, filter, flags },
    { op: 'give', slot },
    { op: 'send_listener', host: true, listener: slot, path: listener.path, state },
    // calls fail with ENOSYS when all who have the listener are gone
    { op: 'close', host: true, slot },
    REFUSE_DESCRIPTORS,
    { op: 'close', slot },
  ];
}

/** The step that sends a pidfd of the stage's process to a socket, with the name that runc gives it; none where nobody wants one. Pure. */
export function sendProcess(path: string | null, name: 'standard' | 'setns'): Step[] {
  return path === null ? [] : [{ op: 'send_process', host: true, path, name }];
}

/** The host steps that send a terminal to the socket which is named for it; none where the runtime itself shows it. Pure. */
export function sendTerminal(terminal: Slot, console: ConsoleRequest | null): Step[] {
  if (console === null || console.socket === null) return [];
  return [
    { op: 'send_terminal', host: true, terminal, path: console.socket },
    { op: 'close', host: true, slot: terminal },
  ];
}

/** What the plan gives back: the terminal that the runtime itself shows. Pure. */
export function returnedTerminal(terminal: { readonly master: Slot } | null, console: ConsoleRequest | null): Slot[] {
  return terminal === null || console === null || console.socket !== null ? [] : [terminal.master];
}

/** ms that a process in a joined pid namespace may take until its program runs: it has next to nothing to do there. */
export const ENTERING_MS = 10_000;

/** The last steps of a program that enters a pid namespace which is joined: those of the process outside, and those of its child in the namespace. */
export interface EnteringBundle {
  readonly outside: readonly Step[];
  readonly inside: readonly Step[];
}

/**
 * Only a child enters a pid namespace that is joined, where others may trace it (CVE-2016-9962): so it is cloned when it may do nothing that the program may
 * not, as in lib/container/plan/enter-pid.ts. The limit of the user's processes is set by the child, for it would count the process that clones it; but a hard
 * limit is raised while there are rights for that. The child has the further descriptors of the program, for a clone closes what no slot has.
 *
 * @param stage the number of the child's stage
 * @param start steps of the child before the program's own
 */
export function enterBundlePid(
  { confine, run }: { readonly confine: readonly Step[]; readonly run: readonly Step[] },
  { stage, start = [] }: { readonly stage: number; readonly start?: readonly Step[] },
): EnteringBundle {
  const inside: Step[] = [{ op: 'dumpable', value: 0 }, { op: 'setsid' }, ...confine.filter(isChilds), ...start, ...run];
  const outside = confine.flatMap((step): Step[] => {
    if (!isChilds(step)) return [step];
    return step.op === 'rlimit' ? [{ op: 'raise_limit', name: step.name, resource: step.resource, hard: step.hard }] : [];
  });
  return { outside: [...outside, REFUSE_DESCRIPTORS, cloneStep(stage, inside)], inside };
}

function isChilds(step: Step): boolean {
  return (step.op === 'rlimit' && step.name === 'nproc') || step.op === 'pass_descriptors';
}

import { joinStep } from '../../cgroup/group-plan.js';
import { planTerminal } from '../../container/plan/terminal-steps.js';
import type { BundleProcess } from '../../oci-config/config-schema.js';
import type { NamespaceType } from '../../plan/namespace-types.js';
import { ANYWHERE, NONE, type Plan, planOf, type Slots } from '../../plan/plan.js';
import type { Step } from '../../plan/steps.js';
import type { ProgramLabels } from '../config/security-labels.js';
import { affinitySteps } from './affinity-steps.js';
import type { GroupFolder } from './bundle-groups.js';
import {
  type BundleProgram,
  bundleProgramSteps,
  ENTERING_MS,
  enterBundlePid,
  findBundleUser,
  returnedTerminal,
  sendProcess,
  sendTerminal,
} from './bundle-process.js';
import type { ConsoleRequest } from './console-of-plan.js';
import { keyLabelSteps, programLabelSteps } from './label-steps.js';
import { prioritySteps } from './priority-steps.js';

/** Everything that the plan of a program in a container depends on. */
export interface BundleExecInput extends Pick<BundleProgram, 'linux' | 'capabilities' | 'limits' | 'filter'> {
  readonly slots: Slots;
  /** What is sent with the filter's listener, cut where the number of the process stands. */
  readonly listenerState: readonly string[];
  readonly process: BundleProcess;
  readonly labels: ProgramLabels;
  /** The container's groups, as descriptors of their folders. */
  readonly groups: readonly (Pick<GroupFolder, 'version'> & { readonly fd: number })[];
  /** Descriptors of those of the container's namespaces that are not the runtime's own; that of mounts comes last. */
  readonly namespaces: ReadonlyMap<NamespaceType, number>;
  /** The container's root, where its mount namespace has another one; `null`: it has that. */
  readonly root: number | null;
  /** The container has a user namespace of its own. */
  readonly hasOwnUsers: boolean;
  /** The process keeps the runtime's groups: the kernel refuses any change in the container's user namespace, or an annotation asks for that. */
  readonly keepsGroups: boolean;
  /** The runtime's own descriptors that the program gets from 3 on; `null`: it has none of that number. */
  readonly preserved: readonly (number | null)[];
  readonly streams: readonly [number, number, number] | null;
  readonly console: ConsoleRequest | null;
  /** An absolute path of a socket that gets a pidfd of the process; `null`: none does. */
  readonly pidfdSocket: string | null;
  /** Ends of the pipes at which the program waits until the runtime has it go on, and tells of a failure then. */
  readonly start: { readonly go: number; readonly told: number };
  /** The program goes on without the runtime; else it ends with that. */
  readonly handsOver: boolean;
}

/**
 * A program that joins a running container: its process is in the container's groups from its birth, joins the namespaces and confines itself, and only then a
 * child of it is in the pid namespace. Pure.
 */
export function planBundleExec(input: BundleExecInput): Plan {
  const { slots, process, namespaces } = input;
  const terminal = input.console === null ? null : planTerminal(input.console, slots, input.console);
  const [one, two, three] = input.streams ?? [0, 1, 2];
  const streams = terminal === null ? ([slots.give(one), slots.give(two), slots.give(three)] as const) : null;
  const used = streams ?? ([terminal?.slave ?? 0, terminal?.slave ?? 0, terminal?.slave ?? 0] as const);
  const passed = input.preserved.map((fd) => (fd === null ? NONE : slots.give(fd)));
  const groups = input.groups.map(({ fd, version }) => ({ version, slot: slots.give(fd) }));
  const unified = groups.find(({ version }) => version === 2);
  const wait: Step = { op: 'await_start', go: slots.give(input.start.go), told: slots.give(input.start.told) };
  const listening = input.filter?.listener ? { slot: slots.take(), state: input.listenerState } : null;
  const affinity = affinitySteps(process);
  const program = bundleProgramSteps(
    { ...input, listening, streams: used, hasTerminal: terminal !== null, passed, maySchedule: false },
    { cwd: { create: 0, ...ANYWHERE }, wait: [wait] },
  );
  const join: Step[] = [
    { op: 'umask', mask: 0 },
    { op: 'dumpable', value: 0 },
    ...groups.filter(({ version }) => version === 1).map(({ slot }) => joinStep(slot)),
    ...affinity.after,
    ...(process.oomScoreAdj === undefined ? [] : [{ op: 'oom_score_adj', value: String(process.oomScoreAdj) } as const]),
    ...prioritySteps(process),
    ...keyLabelSteps(input.labels),
    ...programLabelSteps(input.labels),
    ...(input.hasOwnUsers ? input.limits.map(({ name, resource, hard }): Step => ({ op: 'raise_limit', name, resource, hard })) : []),
    ...[...namespaces].map(([type, fd]): Step => ({ op: 'setns', ns: slots.give(fd), type })),
    ...(input.root === null ? [] : [{ op: 'enter_root', root: slots.give(input.root) } as const]),
    ...(input.hasOwnUsers ? [{ op: 'become_root', groups: input.keepsGroups ? 0 : 1 } as const] : []),
    { op: 'keyring' },
    ...findBundleUser(process, ANYWHERE, input),
    ...(terminal === null ? [] : [...terminal.make, ...sendTerminal(terminal.master, input.console)]),
  ];
  const { outside, inside } = enterBundlePid(program, { stage: 1, start: sendProcess(input.pidfdSocket, 'setns') });
  return planOf({
    prepare: [...affinity.before],
    stages: [
      { flags: 0, ...(unified === undefined ? {} : { group: unified.slot }), steps: [...join, ...outside] },
      { flags: 0, steps: inside },
    ],
    setUpMs: ENTERING_MS,
    ...(input.handsOver ? { handsOver: true } : {}),
    returns: returnedTerminal(terminal, input.console),
  });
}

import { isWithin } from '../../host/mountinfo.js';
import { NONE, type Plan, planOf, REFUSE_DESCRIPTORS, Slots } from '../../plan/plan.js';
import type { Slot, Step } from '../../plan/steps.js';
import { findUser } from '../../process/program-steps.js';
import { planDenials } from './call-filter.js';
import { bornIn, type ContainerPlan, type Head, joinSteps, killGroupOf, saveUser, terminalSteps } from './container-plan.js';
import { planStreams } from './container-streams.js';
import { planTree, type TreePlan } from './container-tree.js';
import { ACCOUNTS, planCopyIn } from './copy-in.js';
import { mayBeRefused } from './device-nodes.js';
import { groundOf } from './ground.js';
import { planLaterMounts } from './later-mounts.js';
import { DEV, type MountTable, PROC } from './mount-table.js';
import { inOneRow, networkSteps } from './network-steps.js';
import type { PlanInput, TreeInput } from './plan-input.js';
import { boundSet, planProcess } from './process-steps.js';
import { takeTerminal } from './terminal-steps.js';

/** A container of a pool: all that is the same for each of its runs is the first part of the plan. */
export interface PooledPlan {
  readonly first: Plan;
  readonly head: Head;
  readonly tree: TreePlan;
  /** Steps of the second part that cover what others may have moved while the container waited. */
  readonly protect: readonly Step[];
  /** Steps of the first part that are undone with the container, and not with the first part alone. */
  readonly undo: readonly Step[];
  /** The first slot of a run's own. */
  readonly free: Slot;
}

/** The first part of a container of a pool: its mounts are attached, its root is pivoted into, and what the kernel shows is masked. Pure. */
export function planPooled(head: Head, input: TreeInput): PooledPlan {
  const { slots, group, options } = input;
  const { namespaces } = head;
  const tree = planTree(head, input);
  const networks = input.networks.steps(slots);
  const links = networkSteps(input.networks, { slots, proc: head.mounts.at(PROC), isAgain: false, kept: -1, bandwidth: options.bandwidth });
  const confine = tree.confineInParts(slots);
  const first = planOf({
    prepare: [...group.prepare, ...networks.prepare, ...tree.prepare],
    stages: [
      {
        flags: namespaces.flags,
        ...bornIn(group),
        steps: [
          ...namespaces.maps,
          ...joinSteps(group),
          ...head.steps,
          ...tree.open,
          ...tree.build,
          ...tree.attach,
          ...inOneRow(links),
          ...confine.first,
          // the process itself keeps what it has until the rest
          boundSet(input.program),
          { op: 'rest' },
        ],
      },
    ],
    undo: [...networks.undo, ...group.undo],
    ...killGroupOf(group),
  });
  return { first, head, tree, protect: confine.rest, undo: networks.undo, free: slots.take() };
}

/** The slots of a run: they come after those of the first part. */
export function slotsAfter({ free }: PooledPlan): Slots {
  return new Slots(free);
}

/** What a run adds to a container of a pool: the second part of the plan. Pure. */
export function planPooledRun({ first, head, tree, protect, undo }: PooledPlan, input: PlanInput): ContainerPlan {
  const { options, slots, group } = input;
  const { root, places } = tree;
  const kept = { mountNamespace: slots.take(), user: slots.take() };
  const listener = input.program.denials ? slots.take() : null;
  const copyIn = planCopyIn(input, root.root, places);
  const streams = planStreams(input.streams, slots, { dev: head.mounts.at(DEV), byShim: mayBeRefused(options) });
  const { terminal } = streams;
  const copies = options.copyOut.length > 0;
  const program = planProcess(input.program, {
    streams,
    argv: input.argv,
    listener,
    isBounded: true,
    cwd: { create: 1, ...groundOf(places, input.program.cwd) },
    beforeExec: [
      ...(options.init ? [REFUSE_DESCRIPTORS, { op: 'init' } as const] : []),
      ...takeTerminal(terminal, { newSession: options.init }),
    ],
  });
  const steps: Step[] = [
    ...streams.openNull,
    ...copyIn.accounts,
    // the user is looked up before the program can change these files
    ...findUser(input.program, groundOf(places, ...ACCOUNTS)),
    ...(terminal ? terminalSteps(terminal, input, { root: root.root, places }) : []),
    ...(copies ? saveUser(kept.user) : []),
    ...copyIn.others,
    ...tree.readOnly,
    ...protect,
    ...(copies ? [{ op: 'open_namespace', host: true, out: kept.mountNamespace, type: 'mnt' } as const] : []),
    ...program.confine,
    ...program.run,
  ];
  const { process } = options;
  const rest = planOf({
    prepare: streams.prepare,
    stages: [{ flags: head.namespaces.flags, steps }],
    undo: [...undo, ...group.undo],
    reports: group.reports,
    returns: [...(copies ? [kept.mountNamespace, kept.user] : []), ...(terminal ? [terminal.master] : [])],
    ...(copies ? {} : planLaterMounts(group)),
    tellsEndFirst: true,
    ...killGroupOf(group),
    ending: { signal: process.killSignal, forceKillAfterMs: process.forceKillAfterDelay },
    ...(process.timeout === null ? {} : { timeoutMs: process.timeout }),
    ...(input.cpuClock === null ? {} : { cpuClock: input.cpuClock }),
    ...planDenials(input.program, listener),
  });
  return { first, rest, ...kept, master: terminal?.master ?? NONE, uppers: [] };
}

/**
 * Whether a run can be the second part of a container that is there: its root has been left for the container's by then, so no path of the host's can
 * be opened, and what is masked and read-only already can't be written to first.
 */
export function mayBePooled(
  { copyIn, process }: Pick<PlanInput['options'], 'copyIn' | 'process'>,
  { maskedPaths, readonlyPaths }: Pick<MountTable, 'maskedPaths' | 'readonlyPaths'>,
): boolean {
  const covered = [...maskedPaths, ...readonlyPaths];
  const isCovered = (target: string): boolean => covered.some((path) => isWithin(target, path) || isWithin(path, target));
  return (
    copyIn.every(({ source, target }) => source === null && !isCovered(target)) &&
    (process.pipesOnly || process.stdin.every(({ type }) => type !== 'file'))
  );
}

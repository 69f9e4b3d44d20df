import type { GroupPlan } from '../../cgroup/group-plan.js';
import { CLONE } from '../../plan/constants.js';
import { cloneStep, type Plan, type Stage } from '../../plan/plan.js';
import type { Slot, Step } from '../../plan/steps.js';
import type { TailSteps } from '../../process/program-steps.js';
import type { TreeParts } from './container-tree.js';
import { enterPid } from './enter-pid.js';
import { DEV } from './mount-table.js';
import { isNew } from './namespace-steps.js';
import type { TreeInput } from './plan-input.js';
import type { RootPlan } from './root-mounts.js';
import type { UserNamespacePlan } from './userns.js';
import { splitProgram } from './userns-process.js';
import { usernsStages } from './userns-stages.js';

/** The first part of the plan. It needs neither the host's files nor the program, so it may run before they are known. */
export interface Head extends TreeParts {
  /** `null` for a first part that can't be prewarmed, since it needs a descriptor of Node's, or a process before it. */
  readonly first: Plan | null;
  readonly steps: readonly Step[];
  /** Those among them that are for links: none where these are made after a namespace that comes later. */
  readonly linkSettings: readonly Step[];
}

/** What the processes of a container do after their {@link Head}. */
interface StageSteps {
  readonly setUp: readonly Step[];
  /** The last steps: of a program, or those before the rest of the plan is waited for. */
  readonly program: TailSteps;
  readonly root: RootPlan;
  /** Slots that the rest of the plan may name; none of a plan that is whole. */
  readonly later?: readonly Slot[];
  /**
   * The steps of the program that are known while `program` only waits for the rest of the plan: what these need outside of a user namespace that is given is
   * done before it is joined ({@link splitProgram}). Default `program`.
   */
  readonly outside?: TailSteps;
}

/** The processes of a container, one after the other: as many as its namespaces need. Pure. */
export function wholeStages(head: Head, input: TreeInput, of: StageSteps): Stage[] {
  const { namespaces, steps } = head;
  const { flags, maps, enterUsers, clocks } = namespaces;
  const { setUp, later = [] } = of;
  const { confine, run } = of.program;
  const begin = { ...bornIn(input.group), steps: [...maps, ...joinSteps(input.group)] };
  if (input.userns.kind === 'given') return givenStages(head, { ...input, userns: input.userns }, { ...of, begin });
  const before = [...enterUsers, ...clocks];
  const entering = namespaces.enterPid.length > 0 ? enterPid({ confine, run }, before.length === 0 ? 1 : 2) : null;
  const all = [...namespaces.enterPid, ...steps, ...setUp, ...(entering === null ? [...confine, ...run] : entering.outside)];
  const own: Stage[] =
    before.length === 0
      ? [{ ...begin, flags, steps: [...begin.steps, ...all] }]
      : [
          // a user namespace of the container's own is first, since it owns the others
          { ...begin, flags: flags & CLONE.user, steps: [...begin.steps, ...before, cloneStep(1, all, later)] },
          { flags: flags & ~CLONE.user, steps: all },
        ];
  return entering === null ? own : [...own, { flags: 0, steps: entering.inside }];
}

function givenStages(
  { namespaces, steps, staging, mounts }: Head,
  { options, images, copiedFolders: copied, userns }: TreeInput & { userns: Extract<UserNamespacePlan, { kind: 'given' }> },
  { begin, setUp, program, root, later = [], outside = program }: StageSteps & { begin: Omit<Stage, 'flags'> },
): Stage[] {
  const own = root.steps.flatMap((step) => (step.op === 'clone_mount' && step.out !== undefined ? [step.out] : []));
  const volumes = [
    ...options.mounts.flatMap(({ volume, source }) => (volume === undefined || source === null ? [] : [source])),
    ...[...images.values()].flatMap(({ binds }) => binds.map(({ source }) => source)),
  ];
  return usernsStages({
    begin,
    namespaces,
    isNew: (type) => isNew(options, type),
    steps: [...steps, ...setUp],
    program: splitProgram(program, userns).program,
    outside: splitProgram(outside, userns).outside,
    later,
    users: namespaces.users,
    back: namespaces.back,
    maps: userns,
    staging: staging.slot,
    dev: mounts.at(DEV),
    idmaps: { mounts: new Set(own), volumes: new Set(volumes), copied },
  });
}

/** Where a process is born on the unified tree. */
export function bornIn({ unified }: GroupPlan): Pick<Stage, 'group'> {
  return unified === undefined ? {} : { group: unified };
}

/** The first steps of a process in a group. */
export function joinSteps({ join }: Pick<GroupPlan, 'join'>): Step[] {
  return [{ op: 'dumpable', value: 0 }, ...join];
}

import { CLONE } from '../../plan/constants.js';
import type { NamespaceType } from '../../plan/namespace-types.js';
import { cloneStep, type Stage, slotsOf } from '../../plan/plan.js';
import type { Op, Slot, Step } from '../../plan/steps.js';
import { enterUserNamespace, type UserMaps } from '../../plan/userns-maps.js';
import type { TailSteps } from '../../process/program-steps.js';
import { enterPid } from './enter-pid.js';
import type { NamespacePlan } from './namespace-steps.js';
import { type Idmaps, idmapped } from './userns-idmap.js';
import { ownedOutside, rootOutside } from './userns-ids.js';

/** A container as it would be made by one process, and the user namespace that it is put into. */
export interface OneStage {
  /** Where the first process is born, and its first steps. */
  readonly begin: Omit<Stage, 'flags'>;
  readonly namespaces: NamespacePlan;
  readonly isNew: (type: NamespaceType) => boolean;
  /** From the first step after the groups were joined until the program's last steps. */
  readonly steps: readonly Step[];
  /** The program's last steps that are for inside, and those for outside. */
  readonly program: TailSteps;
  readonly outside: readonly Step[];
  /** Slots that the rest of the plan may name. */
  readonly later: readonly Slot[];
  readonly users: Slot;
  readonly back: Slot;
  readonly maps: UserMaps;
  /** File systems that are made outside: the staging folder, and /dev, for only the host's root may make a device. */
  readonly staging: Slot;
  readonly dev: Slot;
  readonly idmaps: Idmaps;
}

/**
 * The stages of a container in a user namespace that is there already. Its root has no right over the host, and so could neither bind the
 * host's folders nor lay an overlay over them. So a first process makes all that needs rights outside; then it joins the user namespace, and
 * the second one, born in the container's other namespaces, puts everything in place with the rights of the root inside. Pure.
 */
export function usernsStages(one: OneStage): Stage[] {
  const { begin, namespaces, users, back } = one;
  const { outside, inside } = apart(one);
  const program = namespaces.enterPid.length > 0 ? enterPid(one.program, 2) : null;
  const last = program === null ? [...one.program.confine, ...one.program.run] : program.outside;
  const second: Step[] = [...enterUserNamespace, ...ownIpc(namespaces), ...namespaces.enterPid, ...inside, ...last];
  const first: Step[] = [
    ...begin.steps,
    ...namespaces.clocks,
    ...idmapped(
      outside.map((step) => outsideOf(step, one)),
      { ...one.idmaps, users, back, staging: one.staging },
    ),
    ...one.outside,
    { op: 'setns', ns: users, type: 'user' },
  ];
  return [
    { ...begin, flags: 0, steps: [...first, cloneStep(1, second, one.later)] },
    // the mount namespace is the user namespace's own, so that the root inside may mount
    { flags: (namespaces.flags & ~CLONE.ipc) | CLONE.mnt, steps: second },
    ...(program === null ? [] : [{ flags: 0, steps: program.inside }]),
  ];
}

/** A new ipc namespace: who owns its /dev/mqueue is whoever makes it, so it is made by the root inside. */
function ownIpc({ flags }: NamespacePlan): Step[] {
  return (flags & CLONE.ipc) === 0 ? [] : [{ op: 'unshare', flags: CLONE.ipc }];
}

/** Steps that need no more than what was made outside before them. */
const MAKING: ReadonlySet<Op> = new Set<Op>([
  ...(['open', 'open_in_root', 'open_null', 'reopen', 'close', 'give'] as const),
  ...(['clone_mount', 'clone_mount_of', 'set_mount', 'overlay'] as const),
  ...(['mkdir', 'mknod', 'set_xattr', 'write_file'] as const),
]);

/** To which namespace a file system belongs, so that only whoever has rights over that namespace may make one. */
const OWNERS: Readonly<Record<string, NamespaceType>> = { sysfs: 'net', mqueue: 'ipc', cgroup2: 'cgroup', proc: 'pid' };

/**
 * Sorts the steps of one process into those for outside and inside, each in their order. A step is for inside when it sets up a namespace of
 * the container's, mounts something in the container's tree, or works on what was made or mounted inside; and everything else is for outside.
 */
function apart(one: OneStage): { readonly outside: readonly Step[]; readonly inside: readonly Step[] } {
  const [outside, inside]: [Step[], Step[]] = [[], []];
  /** What was made or mounted inside, and what else is used there. */
  const [ofTree, used] = [new Set<Slot>(), new Set<Slot>()];
  for (const step of one.steps) {
    const isFree = slotsOf(step).every((slot) => !ofTree.has(slot) && !(step.op === 'close' && used.has(slot)));
    if (isOutside(step, one) && isFree) {
      outside.push(step);
      continue;
    }
    inside.push(step);
    for (const slot of slotsOf(step)) used.add(slot);
    if ('out' in step && step.out !== undefined) ofTree.add(step.out);
    if (step.op === 'attach' || step.op === 'attach_at') ofTree.add(step.mount);
  }
  return { outside, inside };
}

function isOutside(step: Step, { isNew, staging, dev }: OneStage): boolean {
  switch (step.op) {
    case 'setns':
    case 'set_propagation':
    // only root of the host may lower it, and /proc is the host's here
    case 'oom_score_adj':
      return true;
    case 'unshare':
      return step.flags === CLONE.mnt;
    case 'attach_at':
      return step.path !== '/';
    case 'filesystem': {
      const owner = OWNERS[step.type];
      return step.out === staging || step.out === dev || step.type === 'overlay' || (owner !== undefined && !isNew(owner));
    }
    case 'proc':
      return !isNew('pid');
    default:
      return MAKING.has(step.op);
  }
}

/**
 * Where the staging folder is mounted in place of /sys: a user namespace gets a sysfs of its own only where the outer one can be seen
 * (user_namespaces(7)).
 */
const STAGING = '/etc';

/** A step with the owners that it has outside. The owner of /dev is the one of its file system. */
function outsideOf(step: Step, { maps, staging, dev }: OneStage): Step {
  if (step.op === 'attach_at' && step.mount === staging) return { ...step, path: STAGING };
  if (step.op !== 'filesystem' || step.out !== dev) return ownedOutside(step, maps);
  const { uid, gid } = rootOutside(maps);
  return { ...step, options: [...step.options, `uid=${uid}`, `gid=${gid}`] };
}

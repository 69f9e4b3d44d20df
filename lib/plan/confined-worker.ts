import { type CapabilityMask, capabilityMask } from './capability-names.js';
import { SIGKILL } from './constants.js';
import type { Stage } from './plan.js';
import type { Slot, Step } from './steps.js';

/** A process of ours that works on files which others wrote, and then ends. */
export interface ConfinedWorker {
  /** CLONE_NEW*: namespaces of its own. */
  readonly namespaces: number;
  /** Steps by which the process gets what it needs, and its root, while it still has all rights: opens, mounts, `pivot` or `setns`. */
  readonly enter: readonly Step[];
  /** The capabilities that the process keeps for the work; as another `user` than root it has none. */
  readonly capabilities: CapabilityMask;
  /** What `save_user` noted: the process becomes that user. Default: it stays who it is. */
  readonly user?: Slot;
  /** Steps by which the process finds what it works on, with no more rights than it has for the work. */
  readonly find?: readonly Step[];
  readonly work: Extract<Step, { op: 'unpack' | 'pack' | 'changes' | 'copy_out' }>;
  /** Where the process writes its findings; `NONE` where it has none. */
  readonly output: Slot;
}

/**
 * The stage of a confined worker. What others wrote is hostile, and might lead the process to do anything. So the process enters, then
 * gives up every right but those of its work and, last, every system call but those.
 */
export function confinedStage({ namespaces, enter, capabilities, user, find = [], work, output }: ConfinedWorker): Stage {
  const steps: Step[] = [
    // others in the pid namespace must not look into this process
    { op: 'dumpable', value: 0 },
    ...enter,
    { op: 'no_new_privileges' },
    { op: 'bound_capabilities', bounding: capabilities },
    // a change of ids may have made the process dumpable (proc(5), suid_dumpable)
    ...(user === undefined
      ? []
      : ([
          { op: 'restore_user', saved: user, apply: 1 },
          { op: 'dumpable', value: 0 },
        ] satisfies Step[])),
    user === undefined
      ? { op: 'capabilities', effective: capabilities, permitted: capabilities, inheritable: 0, ambient: 0 }
      : { op: 'limit_capabilities', kept: capabilities },
    // the change of user clears the parent-death signal, so it is set after that
    { op: 'parent_death_signal', signal: SIGKILL },
    ...find,
    { op: 'work_filter', work: work.op, output },
    work,
  ];
  return { flags: namespaces, steps };
}

/**
 * For a worker that reads what anybody owns. It needs SYS_ADMIN because opaque folders are marked by xattrs of trusted.*, which ask for it
 * (xattr(7)).
 */
export const READING: CapabilityMask = capabilityMask('DAC_READ_SEARCH', 'SYS_ADMIN');

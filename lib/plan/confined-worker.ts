import { type CapabilityMask, capabilityMask } from './capability-names.js';
import { SIGKILL } from './constants.js';
import type { Stage } from './plan.js';
import type { Slot, Step } from './steps.js';

/** A process of ours that works on files which others wrote, and then ends. */
export interface ConfinedWorker {
  /** CLONE_NEW*: namespaces of its own. */
  readonly namespaces: number;
  /** How it comes to what it needs and to its root, while it may still do all: opens, mounts, `pivot` or `setns`. */
  readonly enter: readonly Step[];
  /** What it keeps of its capabilities for the work. */
  readonly capabilities: CapabilityMask;
  /** What `save_user` noted: it becomes that user. Default: it stays who it is. */
  readonly user?: Slot;
  readonly work: Extract<Step, { op: 'unpack' | 'pack' | 'changes' | 'copy_out' }>;
  /** What it writes its findings to; `NONE` where it has none. */
  readonly output: Slot;
}

/**
 * Its stage: what others wrote is hostile, and might lead it to do anything. So it enters, gives up every right but those of its work and, last, every
 * system call but those.
 */
export function confinedStage({ namespaces, enter, capabilities, user, work, output }: ConfinedWorker): Stage {
  const steps: Step[] = [
    // others in the pid namespace must not look into it
    { op: 'dumpable', value: 0 },
    ...enter,
    { op: 'no_new_privileges' },
    { op: 'bound_capabilities', bounding: capabilities },
    // a change of ids may have made it dumpable (proc(5), suid_dumpable)
    ...(user === undefined
      ? []
      : ([
          { op: 'restore_user', saved: user },
          { op: 'dumpable', value: 0 },
        ] satisfies Step[])),
    { op: 'capabilities', effective: capabilities, permitted: capabilities, inheritable: 0, ambient: 0 },
    // after the change of user, which clears it
    { op: 'parent_death_signal', signal: SIGKILL },
    { op: 'work_filter', work: work.op, output },
    work,
  ];
  return { flags: namespaces, steps };
}

/** For one that reads what anybody owns; SYS_ADMIN, for opaque folders are marked by xattrs of trusted.*, which ask for it (xattr(7)). */
export const READING: CapabilityMask = capabilityMask('DAC_READ_SEARCH', 'SYS_ADMIN');

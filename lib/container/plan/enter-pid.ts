import { cloneStep, REFUSE_DESCRIPTORS } from '../../plan/plan.js';
import type { Step } from '../../plan/steps.js';
import type { TailSteps } from '../../process/program-steps.js';

/** The last steps of a program whose pid namespace is joined: those of the process outside, and those of its child in the namespace. */
export interface EnteringSteps {
  readonly outside: readonly Step[];
  readonly inside: readonly Step[];
}

/**
 * Only a child enters a pid namespace that is joined, where others may have CAP_SYS_PTRACE. It is cloned last, when it has nothing of the
 * host's to be seen, and no right that the program won't have. The child sets the limit of the user's processes itself, for that limit would
 * count the process that clones it.
 *
 * @param stage the number of the child's stage
 */
export function enterPid({ confine, run }: TailSteps, stage: number): EnteringSteps {
  const inside: Step[] = [{ op: 'dumpable', value: 0 }, { op: 'setsid' }, ...confine.filter(limitsProcesses), ...run];
  return { outside: [...confine.filter((step) => !limitsProcesses(step)), REFUSE_DESCRIPTORS, cloneStep(stage, inside)], inside };
}

function limitsProcesses(step: Step): boolean {
  return step.op === 'rlimit' && step.name === 'nproc';
}

import type { BundleLinux, BundleProcess } from '../../oci-config/config-schema.js';
import { cpuMask } from '../../oci-config/cpu-list.js';
import { memoryMode } from '../../oci-config/memory-policy.js';
import { schedulerOf } from '../../oci-config/process-scheduler.js';
import { schedulerFlagBits } from '../../oci-config/scheduler-flags.js';
import { schedulerSteps } from '../../options/scheduler-steps.js';
import type { Step } from '../../plan/steps.js';

/** IOPRIO_CLASS_* of ioprio.h. */
const CLASS = { IOPRIO_CLASS_RT: 1, IOPRIO_CLASS_BE: 2, IOPRIO_CLASS_IDLE: 3 } as const;

/** Where the class is in the number that ioprio_set(2) takes. */
const CLASS_SHIFT = 13;

/** Steps for what decides when a process runs, and when it reads and writes. Its children inherit both. Pure. */
export function prioritySteps(process: Pick<BundleProcess, 'scheduler' | 'ioPriority'>): Step[] {
  const { ioPriority } = process;
  const io: Step[] =
    ioPriority === undefined
      ? []
      : [{ op: 'io_priority', priority: CLASS[ioPriority.class] * 2 ** CLASS_SHIFT + (ioPriority.priority ?? 0) }];
  const flags = schedulerFlagBits(process.scheduler?.flags ?? []);
  const scheduler = schedulerOf(process);
  const scheduling = (scheduler === undefined ? [] : schedulerSteps(scheduler)).map((step): Step => {
    return flags === 0 || step.op !== 'scheduler' ? step : { ...step, op: 'scheduler_with_flags', flags };
  });
  return [...scheduling, ...io];
}

/** PER_* of personality(2). */
const DOMAIN = { LINUX: 0, LINUX32: 8 } as const;

/** The step for linux.personality, which has to come before a filter that may refuse the call. Pure. */
export function personalitySteps(linux: BundleLinux | undefined): Step[] {
  return linux?.personality === undefined ? [] : [{ op: 'personality', persona: DOMAIN[linux.personality.domain] }];
}

/** The step for linux.memoryPolicy, which has to come before a filter that may refuse the call. Pure. */
export function memoryPolicySteps(linux: BundleLinux | undefined): Step[] {
  const policy = linux?.memoryPolicy;
  if (policy === undefined) return [];
  return [{ op: 'memory_policy', mode: memoryMode(policy), nodes: (policy.nodes && cpuMask(policy.nodes)) || new Uint8Array() }];
}

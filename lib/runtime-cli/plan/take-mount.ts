import { MAX_CHANNEL_DESCRIPTORS } from '../../native/protocol.js';
import { NONE } from '../../plan/plan.js';
import type { Slot, Step } from '../../plan/steps.js';

export interface BoundMount {
  readonly out: Slot;
  readonly path: string;
  readonly recursive: 0 | 1;
  /** As `ownMounts` of MountFacts. */
  readonly ns: Slot;
}

/** Takes a folder or a file of the host: in a namespace, with the rights of the shim. Pure. */
export function takeMount({ out, path, recursive, ns }: BoundMount): Step {
  if (ns === NONE) return { op: 'clone_mount', out, at: NONE, path, recursive };
  return { op: 'clone_mount_in', host: true, out, ns, path, recursive };
}

/** Half of what an answer has room for: steps beside these have descriptors too. */
const AT_ONCE = MAX_CHANNEL_DESCRIPTORS / 2;

/**
 * What the shim takes for a process comes to it with the answer to all steps of the shim's that follow each other, which has room for few descriptors: so a step of
 * the process parts those of many mounts: it sets a umask of 0, which the process has already. Pure.
 */
export function inAnswers(steps: readonly Step[]): Step[] {
  let taken = 0;
  return steps.flatMap((step): Step[] => {
    const isShims = 'host' in step && step.host === true;
    if (!isShims) taken = 0;
    else if ('out' in step) taken++;
    if (taken <= AT_ONCE) return [step];
    taken = 1;
    return [{ op: 'umask', mask: 0 }, step];
  });
}

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

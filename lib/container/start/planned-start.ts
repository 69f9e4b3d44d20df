import { containerShim } from '../../host/container-shim.js';
import { MAX_REST_DESCRIPTORS } from '../../native/messages.js';
import { newId } from '../../plan/id.js';
import type { ParsedOptions } from '../options/container-options.js';
import { type Head, planHead } from '../plan/container-plan.js';
import { usesPlugins } from './container-networks.js';
import { type Prepared, prepare } from './prepare.js';
import { discard, FirstPart, fits, type Prewarmed, prewarm } from './prewarm.js';

/** A container whose first part is planned, and runs already where one was prewarmed. */
export interface PlannedStart {
  readonly prepared: Prepared;
  readonly head: Head;
  /** `null` where the first part can't be prewarmed. */
  readonly first: FirstPart | null;
  readonly prewarmed: Prewarmed | null;
}

/**
 * Plans a container under the name of the first part that is prewarmed. That part is used when it is the same as the container's own would
 * be.
 */
export async function planStart(options: ParsedOptions, { park }: { park: boolean }): Promise<PlannedStart> {
  // plugins make the network namespace of a container before its first part, and are run once
  const prewarmed = usesPlugins(options) ? null : prewarm.take();
  // the prewarmed part begins while this container is planned
  prewarmed?.beginning.go();
  try {
    const planned = await plan(options, { id: prewarmed?.id ?? newId(), park });
    if (prewarmed === null || fits(prewarmed, planned.first)) return { ...planned, prewarmed };
    planned.prepared.release();
  } catch (error) {
    if (prewarmed !== null) void discard(prewarmed);
    throw error;
  }
  void discard(prewarmed);
  return { ...(await plan(options, { id: newId(), park })), prewarmed: null };
}

/** Releases what was planned for a container that will not be started. */
export function letGo({ prepared, prewarmed }: PlannedStart): void {
  prepared.release();
  if (prewarmed) void discard(prewarmed);
}

async function plan(options: ParsedOptions, of: { id: string; park: boolean }): Promise<Omit<PlannedStart, 'prewarmed'>> {
  const prepared = await prepare(options, { ...of, shim: await containerShim() });
  try {
    const head = planHead(prepared);
    return { prepared, head, first: head.first !== null && mayBePrewarmed(options, of) ? new FirstPart(of.id, head.first) : null };
  } catch (error) {
    prepared.release();
    throw error;
  }
}

/**
 * Whether a first part may be prewarmed. A group of the caller's must not hold a process that the caller doesn't know of, and the
 * descriptors of the rest must fit into one message.
 */
function mayBePrewarmed({ cgroup, cgroupParent, mounts }: ParsedOptions, { park }: { park: boolean }): boolean {
  // a container that may be started again has them for that too
  const descriptors = (park ? 2 : 1) * (STREAMS + mounts.length);
  return cgroup === null && cgroupParent === null && descriptors <= MAX_REST_DESCRIPTORS;
}

const STREAMS = 3;

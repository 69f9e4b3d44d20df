import { MAX_REST_DESCRIPTORS } from '../../native/messages.js';
import { newId } from '../../plan/id.js';
import type { ParsedOptions } from '../options/container-options.js';
import { type Head, planHead } from '../plan/container-plan.js';
import { type Prepared, prepare } from './prepare.js';
import { discard, FirstPart, fits, type Prewarmed, prewarm } from './prewarm.js';

/** A container whose first part is planned, and runs already where one was prewarmed. */
export interface PlannedStart {
  readonly prepared: Prepared;
  readonly head: Head;
  /** `null`: its first part can't be prewarmed. */
  readonly first: FirstPart | null;
  readonly prewarmed: Prewarmed | null;
}

/** Takes the name of the one that is prewarmed, and the one itself when it is what this container's first part would be. */
export async function planStart(options: ParsedOptions): Promise<PlannedStart> {
  const prewarmed = prewarm.take();
  // it begins while this one is planned
  prewarmed?.beginning.go();
  try {
    const planned = await plan(options, prewarmed?.id ?? newId());
    if (prewarmed === null || fits(prewarmed, planned.first)) return { ...planned, prewarmed };
    planned.prepared.release();
  } catch (error) {
    if (prewarmed !== null) void discard(prewarmed);
    throw error;
  }
  void discard(prewarmed);
  return { ...(await plan(options, newId())), prewarmed: null };
}

/** What was planned, and comes to nothing. */
export function letGo({ prepared, prewarmed }: PlannedStart): void {
  prepared.release();
  if (prewarmed) void discard(prewarmed);
}

async function plan(options: ParsedOptions, id: string): Promise<Omit<PlannedStart, 'prewarmed'>> {
  const prepared = await prepare(options, id);
  try {
    const head = planHead(prepared);
    return { prepared, head, first: head.first !== null && mayBePrewarmed(options) ? new FirstPart(id, head.first) : null };
  } catch (error) {
    prepared.release();
    throw error;
  }
}

/** A group of the caller's must not hold what the caller knows nothing of; and the rest may bring few descriptors. */
function mayBePrewarmed({ cgroup, cgroupParent, mounts }: ParsedOptions): boolean {
  return cgroup === null && cgroupParent === null && STREAMS + mounts.length <= MAX_REST_DESCRIPTORS;
}

const STREAMS = 3;

import { MAX_REST_DESCRIPTORS } from '../native/messages.js';
import { newId } from '../plan/id.js';
import { type Ahead, discard, FirstPart, fits, takeAhead } from './ahead.js';
import type { ParsedOptions } from './options.js';
import { type Head, planHead } from './plan/plan.js';
import { type Prepared, prepare } from './prepare.js';

/** A container whose first part is planned, and runs already where one was made ahead. */
export interface Made {
  readonly prepared: Prepared;
  readonly head: Head;
  /** `null`: its first part can't be made ahead. */
  readonly first: FirstPart | null;
  readonly ahead: Ahead | null;
}

/** Takes the name of the one that was made ahead, and the one itself when it is what this container's first part would be. */
export async function begun(options: ParsedOptions): Promise<Made> {
  const ahead = takeAhead();
  // it begins while this one is planned
  ahead?.beginning.go();
  try {
    const made = await plan(options, ahead?.id ?? newId());
    if (ahead === null || fits(ahead, made.first)) return { ...made, ahead };
    made.prepared.release();
  } catch (error) {
    if (ahead !== null) void discard(ahead);
    throw error;
  }
  void discard(ahead);
  return { ...(await plan(options, newId())), ahead: null };
}

async function plan(options: ParsedOptions, id: string): Promise<Omit<Made, 'ahead'>> {
  const prepared = await prepare(options, id);
  const head = headOf(prepared);
  return { prepared, head, first: head.first !== null && mayGoAhead(options) ? new FirstPart(id, head.first) : null };
}

function headOf(prepared: Prepared): Head {
  try {
    return planHead(prepared);
  } catch (error) {
    prepared.release();
    throw error;
  }
}

/** A group of the caller's must not hold what the caller knows nothing of; and the rest may bring few descriptors. */
function mayGoAhead({ cgroup, cgroupParent, mounts }: ParsedOptions): boolean {
  return cgroup === null && cgroupParent === null && STREAMS + mounts.length <= MAX_REST_DESCRIPTORS;
}

const STREAMS = 3;

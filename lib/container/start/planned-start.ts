import { containerShim } from '../../host/container-shim.js';
import { MAX_REST_DESCRIPTORS } from '../../native/messages.js';
import { newId } from '../../plan/id.js';
import type { ParsedOptions } from '../options/container-options.js';
import { planHead } from '../plan/container-plan.js';
import type { Head } from '../plan/container-stages.js';
import { usesPlugins } from './container-networks.js';
import { discard, FirstPart, fits, type Prewarmed } from './first-part.js';
import type { LaunchOptions } from './launch-options.js';
import { type Prepared, prepare } from './prepare.js';
import { prewarm } from './prewarm.js';

/** A container whose first part is planned, and runs already where one was prewarmed. */
export interface PlannedStart {
  readonly prepared: Prepared;
  readonly head: Head;
  /** `null` where the first part can't be prewarmed. */
  readonly first: FirstPart | null;
  readonly prewarmed: Prewarmed | null;
}

/**
 * Plans a container under the name of a first part that is prewarmed. That part is used when it is the same as the container's own would be. Where another
 * one was guessed, the container is planned once more, under the name of the one that fits.
 */
export async function planStart(options: ParsedOptions, { park, prewarms = true }: LaunchOptions): Promise<PlannedStart> {
  // plugins make the network namespace of a container before its first part, and are run once
  if (!prewarms || usesPlugins(options)) return planUnder(null, options, park);
  const guessed = prewarm.take(options.alike);
  const planned = await planUnder(guessed, options, park);
  if (guessed !== null && planned.prewarmed !== null) return planned;
  const fitting = planned.first && prewarm.takeFor(planned.first);
  if (guessed !== null) prewarm.giveBack(guessed);
  if (guessed === null && fitting === null) return planned;
  const again = await planAgain(planned, fitting, options, park);
  if (fitting === null || again.prewarmed !== null) return again;
  // it has failed meanwhile
  return planAgain({ ...again, prewarmed: fitting }, null, options, park);
}

async function planAgain(before: PlannedStart, prewarmed: Prewarmed | null, options: ParsedOptions, park: boolean): Promise<PlannedStart> {
  try {
    letGo(before);
  } catch (error) {
    if (prewarmed !== null) void discard(prewarmed);
    throw error;
  }
  return planUnder(prewarmed, options, park);
}

/** Plans it under the name of that part, if any. What then tells of a prewarmed part only where that part fits. */
async function planUnder(prewarmed: Prewarmed | null, options: ParsedOptions, park: boolean): Promise<PlannedStart> {
  try {
    const planned = await plan(options, { id: prewarmed?.id ?? newId(), park });
    return { ...planned, prewarmed: prewarmed !== null && fits(prewarmed, planned.first) ? prewarmed : null };
  } catch (error) {
    if (prewarmed !== null) void discard(prewarmed);
    throw error;
  }
}

/** Releases what was planned for a container that will not be started. */
export function letGo({ prepared, prewarmed }: PlannedStart): void {
  if (prewarmed) void discard(prewarmed);
  prepared.release();
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

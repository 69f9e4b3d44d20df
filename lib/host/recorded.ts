import { rmSync } from 'node:fs';
import { hasCleanupError } from '../errors.js';
import { carryOut, type Holding, release } from '../native/host-work.js';
import { isShimLost } from '../native/shim-error.js';
import { attempt } from '../native/system-errors.js';
import { planOf, Slots } from '../plan/plan.js';
import type { Step } from '../plan/steps.js';
import { reapSteps } from './journal.js';

/**
 * Makes what a record tells of. When that fails and nothing is left, the record goes too, for the steps that remove it may never have come to
 * the shim; a record of what may still be there is kept for the next reap.
 *
 * @param forget the steps of {@link writeRecord}
 */
export async function withRecord<T>(forget: readonly Step[], make: () => Promise<T>): Promise<T> {
  try {
    return await make();
  } catch (error) {
    dropRecordUnlessLeft(forget, error);
    throw error;
  }
}

/**
 * Removes what a record tells of. What the undo could not remove is tried once more by its record, at once: until this process ends nobody else
 * would, and the name that the caller chose would stay taken.
 *
 * @param forget the steps of {@link writeRecord}
 */
export async function removeRecorded(forget: readonly Step[], holding: Holding): Promise<void> {
  try {
    await release([holding]);
  } catch (error) {
    if (isShimLost(error)) throw error;
    const slots = new Slots();
    const prepare = forget.flatMap((step) => (step.op === 'forget' ? reapSteps(step.path, slots) : []));
    await carryOut(planOf({ prepare }), slots.descriptors);
  }
}

/** Removes the record after a failure that has left nothing, as {@link withRecord} does. */
export function dropRecordUnlessLeft(forget: readonly Step[], error: unknown): void {
  if (!isShimLost(error) && !hasCleanupError(error)) dropRecord(forget);
}

/** Removes the record of something that was not made, or was undone: for a caller that could not send the steps of {@link writeRecord}. */
export function dropRecord(forget: readonly Step[]): void {
  for (const step of forget) if (step.op === 'forget') attempt(`remove ${step.path}`, () => rmSync(step.path, { force: true }));
}

import { allOf, toError, withCleanupError } from '../errors.js';
import { endOf } from '../native/end.js';
import { start } from '../native/shim.js';
import type { Task } from '../native/task.js';
import type { Held } from './overlay-plan.js';

/** Something on the host that goes with its task, or stays: then it is taken away by hand. */
export interface Holding {
  readonly task: Task;
  readonly held: Held;
}

export async function hold(held: Held): Promise<Holding> {
  return { task: await start(held.plan, held.slots.descriptors), held };
}

/** Takes all away, each even when one before failed; the first failure is the error. */
export async function release(holdings: readonly Holding[]): Promise<void> {
  const failures: Error[] = [];
  for (const { task, held } of holdings) {
    if (held.plan.undo.length === 0) await task.call(held.undo).catch((error: unknown) => failures.push(toError(error)));
    const failure = await endOf(task);
    if (failure) failures.push(failure);
  }
  const [first, ...others] = failures;
  if (first) throw withCleanupError(first, allOf(others));
}

/** Takes all away after a failure. @returns the error to throw: the failure itself, with that of the removal when it failed too */
export async function undone(holdings: readonly Holding[], error: unknown): Promise<unknown> {
  try {
    await release(holdings);
    return error;
  } catch (cleanup) {
    return withCleanupError(error, toError(cleanup));
  }
}

import { oneOf, toError, withCleanupError } from '../errors.js';
import type { Descriptors, Plan } from '../plan/plan.js';
import type { Step } from '../plan/steps.js';
import { closeDescriptor } from './load-addon.js';
import { ownShim, readyShim, type Shim } from './shim.js';
import type { Task, TaskOutput } from './task.js';

// Work on the host that a task does, and then ends: something is made, held or removed. Every failure is told: the first is the error, with
// its errno and path, and the others are its `cleanupError`. Where no shim is named, this process's own does the work.

const none: Descriptors = new Map();

/** Carries out a plan without a program, and ends its task. @throws the failure of the plan, or of its undo */
export async function carryOut(plan: Plan, descriptors: Descriptors = none, on?: Shim): Promise<TaskOutput> {
  const shim = on ?? (await readyShim());
  const task = await shim.startPlan(plan, descriptors);
  const failure = await endOf(task);
  if (!failure) return task.started;
  for (const fd of task.started.descriptors.values()) closeDescriptor(fd);
  throw failure;
}

/** Does some work while a plan is held, and ends its task in any case. @throws the first failure: of the plan, the work or the undo */
export async function during<T>(plan: Plan, descriptors: Descriptors, work: (task: Task) => Promise<T>): Promise<T> {
  const shim = await readyShim();
  return thenEnd(await shim.startPlan(plan, descriptors), work);
}

/** Does some work with a task, and ends the task in any case. @throws as {@link during} */
export async function thenEnd<T>(task: Task, work: (task: Task) => Promise<T>): Promise<T> {
  let result: T;
  try {
    result = await work(task);
  } catch (error) {
    throw withCleanupError(error, await endOf(task));
  }
  const failure = await endOf(task);
  if (failure) throw failure;
  return result;
}

/** Something on the host that goes with its task. */
export interface Holding {
  readonly task: Task;
  /** Steps that remove something which is to outlive its owner; the undo does not remove it then. */
  readonly removal: readonly Step[];
  /** Whether a failure of the removal says that the thing is gone already. */
  readonly isGone?: (error: unknown) => boolean;
}

/** Makes something that is removed with its task or, when there is a `removal`, stays until these steps remove it. */
export async function hold(
  plan: Plan,
  descriptors: Descriptors = none,
  { removal = [], on = ownShim() }: { readonly removal?: readonly Step[]; readonly on?: Shim } = {},
): Promise<Holding> {
  return { task: await on.startPlan(plan, descriptors), removal };
}

/** Removes all of these, each even when one before it failed. */
export async function release(holdings: readonly Holding[]): Promise<void> {
  const failures: Error[] = [];
  for (const { task, removal, isGone } of holdings) {
    if (removal.length > 0) {
      await task.call(removal).catch((error: unknown) => {
        if (!isGone?.(error)) failures.push(toError(error));
      });
    }
    const failure = await endOf(task);
    if (failure) failures.push(failure);
  }
  const failure = oneOf(failures);
  if (failure) throw failure;
}

/** Removes all of these after a failure. @returns the error to throw: the failure itself, with that of the removal if it failed too */
export async function undone(holdings: readonly Holding[], error: unknown): Promise<unknown> {
  try {
    await release(holdings);
    return error;
  } catch (cleanup) {
    return withCleanupError(error, toError(cleanup));
  }
}

/** Ends a task. @returns the failure of its undo, or the reason why that is not known */
export async function endOf(task: Task): Promise<Error | undefined> {
  try {
    await task.close();
    return oneOf((await task.ended).undoErrors);
  } catch (error) {
    return toError(error);
  }
}

import { allOf, toError, withCleanupError } from '../errors.js';
import type { Descriptors, Plan } from '../plan/plan.js';
import type { Step } from '../plan/steps.js';
import { closeDescriptor } from './load-addon.js';
import { start } from './shim.js';
import type { Task, TaskOutput } from './task.js';

// Work that a task does on the host and then ends: what is made, held, taken away. Every failure is told: the first is the error, with its
// errno and path, and the others are its `cleanupError`.

const none: Descriptors = new Map();

/** Does a plan without a program, and ends it. @throws what it could not do, or could not undo */
export async function carryOut(plan: Plan, descriptors: Descriptors = none): Promise<TaskOutput> {
  const task = await start(plan, descriptors);
  const failure = await endOf(task);
  if (!failure) return task.started;
  for (const fd of task.started.descriptors.values()) closeDescriptor(fd);
  throw failure;
}

/** Does something while a plan is held, and ends it, whatever comes. @throws the first that failed: the plan, the work, the undo */
export async function during<T>(plan: Plan, descriptors: Descriptors, work: (task: Task) => Promise<T>): Promise<T> {
  return thenEnd(await start(plan, descriptors), work);
}

/** Does something with a task, and ends it, whatever comes. @throws as {@link during} */
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
  /** What takes it away where it is to outlive its owner: no undo does then. */
  readonly removal: readonly Step[];
  /** Whether a failure of the removal says that it is gone already. */
  readonly isGone?: (error: unknown) => boolean;
}

/** Makes something that goes with its task, or stays: then `removal` takes it away. */
export async function hold(plan: Plan, descriptors: Descriptors = none, removal: readonly Step[] = []): Promise<Holding> {
  return { task: await start(plan, descriptors), removal };
}

/** Takes all away, each even when one before failed. */
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

/** Takes all away after a failure. @returns the error to throw: the failure itself, with that of the removal when it failed too */
export async function undone(holdings: readonly Holding[], error: unknown): Promise<unknown> {
  try {
    await release(holdings);
    return error;
  } catch (cleanup) {
    return withCleanupError(error, toError(cleanup));
  }
}

/** Ends a task. @returns what its undo could not do, or why that can't be told */
export async function endOf(task: Task): Promise<Error | undefined> {
  try {
    await task.close();
    return oneOf((await task.ended).undoErrors);
  } catch (error) {
    return toError(error);
  }
}

function oneOf([first, ...others]: readonly Error[]): Error | undefined {
  return first && toError(withCleanupError(first, allOf(others)));
}

import { allOf, toError } from '../errors.js';
import type { Task } from './task.js';

/** Ends a task. @returns what its undo could not do, or why that can't be told */
export async function endOf(task: Task): Promise<Error | undefined> {
  try {
    await task.close();
    return allOf((await task.ended).undoErrors);
  } catch (error) {
    return toError(error);
  }
}

import { start } from '../../native/shim.js';
import { NONE, planOf } from '../../plan/plan.js';

/** Removes a folder with all in it, also what is deeper than a path may be long. A missing one is success. By a process of its own. */
export async function removeTree(path: string): Promise<void> {
  const task = await start(planOf({ undo: [{ op: 'remove_tree', host: true, at: NONE, path }] }), new Map());
  await task.close();
}

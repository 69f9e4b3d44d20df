import { hasCode, oneOf, toError } from '../../errors.js';
import { TaskState } from '../../native/protocol.js';
import { detachEnded } from '../../network/cni/attachments.js';
import { findContainer } from './attach.js';
import { containerIds } from './container-folders.js';

/** Removes the detached containers that have ended. @returns their ids */
export async function pruneContainers(): Promise<string[]> {
  const removed: string[] = [];
  const failures: Error[] = [];
  for (const id of containerIds()) {
    try {
      const { task, state, connection } = await findContainer(id);
      try {
        if (state !== null && state !== TaskState.ended) continue;
        await task.close();
        removed.push(id);
        await detachEnded(id);
      } finally {
        connection?.close();
      }
    } catch (error) {
      // it is being made, or another process was faster
      if (!hasCode(error, 'ERR_NO_CONTAINER', 'ERR_SHIM_DIED')) failures.push(toError(error));
    }
  }
  const failure = oneOf(failures);
  if (failure) throw failure;
  return removed;
}

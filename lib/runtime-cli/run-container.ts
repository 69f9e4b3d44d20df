import { constants } from 'node:os';
import { hasCode } from '../errors.js';
import { endShim } from '../native/shim.js';
import { deleteContainer } from './change-container.js';
import { createContainer } from './create-container.js';
import type { CreateRequest } from './create-facts.js';
import { shellStatus } from './runtime-output.js';
import { startContainer, startDetached } from './start-container.js';
import { undoneAfter } from './undone-after.js';

/**
 * Makes and starts a container. In the foreground the runtime waits for its end, passes signals on, and removes it unless `keep` is set; such a container
 * ends with the runtime.
 *
 * @returns the exit status of the program, 128 + n for a signal; 0 with `detach`
 */
export async function runContainer(
  request: CreateRequest,
  { detach, keep }: { readonly detach: boolean; readonly keep: boolean },
): Promise<number> {
  const { folder, record, task } = await createContainer(request, { isAttached: !detach });
  const forget = detach ? () => undefined : forwardSignals(record.pid);
  try {
    // a program that ended while the shim is its parent would be reaped here
    if (detach) {
      await endShim();
      await startDetached(folder, request.caller);
      return 0;
    }
    const notifier = await startContainer(folder, request.caller, { isAttached: true });
    const end = await task.ended;
    const untold = await notifier?.told;
    if (untold) request.caller.tell(untold.message);
    if (!keep) await deleteContainer(folder, { force: true, caller: request.caller });
    return shellStatus(end);
  } catch (error) {
    throw await undoneAfter(error, () => deleteContainer(folder, { force: true, caller: request.caller }));
  } finally {
    forget();
  }
}

/** Signals that are about the runtime itself, and those that can't be caught. */
const OWN = new Set([
  'SIGCHLD',
  'SIGURG',
  'SIGPIPE',
  'SIGPROF',
  'SIGKILL',
  'SIGSTOP',
  'SIGSEGV',
  'SIGBUS',
  'SIGFPE',
  'SIGILL',
  'SIGABRT',
  'SIGIOT',
]);

/** Sends what this process hears to the container's first process. @returns a function that has this process hear its signals itself again */
function forwardSignals(pid: number): () => void {
  const names = Object.keys(constants.signals).filter((name) => !OWN.has(name)) as NodeJS.Signals[];
  const forward = (signal: NodeJS.Signals): void => {
    try {
      process.kill(pid, signal);
    } catch (error) {
      // the program has just ended, and its status is on the way
      if (!hasCode(error, 'ESRCH')) throw error;
    }
  };
  for (const name of names) process.on(name, forward);
  return () => {
    for (const name of names) process.off(name, forward);
  };
}

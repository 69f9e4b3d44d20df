import { doAll } from '../errors.js';
import { ensureShim } from '../native/shim.js';
import { signalsOf } from './caller/forward-signals.js';
import { deleteContainer } from './change-container.js';
import { createContainer } from './create-container.js';
import type { CreateRequest } from './create-facts.js';
import { showTerminal } from './foreground-terminal.js';
import { lastWord, type Notifier } from './notify-socket.js';
import { shellStatus } from './runtime-output.js';
import { startContainer, startDetached } from './start-container.js';
import { undoneAfter } from './undone-after.js';

/**
 * Makes and starts a container. In the foreground the runtime waits for its end, passes signals on, and removes it unless `keep` is set; such a container
 * ends with the runtime.
 *
 * @returns the exit status of the program, 128 + n for a signal; 0 with `detach`
 */
export async function runContainer(request: CreateRequest): Promise<number> {
  const { detach, keep } = request;
  const { folder, record, task, terminal, letGo } = await createContainer(request);
  const forget = detach ? () => undefined : request.caller.forwardSignals(signalsOf(task));
  const shown = terminal === null ? null : showTerminal(terminal, record.pid);
  let notifier: Notifier | null = null;
  const end = (): Promise<void> => doAll([() => shown?.end(), forget, () => notifier?.end(), letGo]);
  const untilEnd = async (): Promise<number> => {
    // a program that ended while the shim is its parent would be reaped here
    if (detach) {
      await letGo();
      await startDetached(folder, request.caller);
      return 0;
    }
    notifier = await startContainer(folder, request.caller, { isAttached: true });
    const ended = await task.ended;
    const untold = notifier === null ? null : await lastWord(notifier);
    if (untold !== null) request.caller.tell(untold.message);
    if (!keep) await deleteContainer(folder, { force: true, caller: request.caller });
    return shellStatus(ended);
  };
  const remove = async (): Promise<void> => {
    await ensureShim();
    await deleteContainer(folder, { force: true, caller: request.caller });
  };
  const status = await untilEnd().catch(async (error: unknown) => {
    throw await undoneAfter(error, () => doAll([remove, end]));
  });
  await end();
  return status;
}

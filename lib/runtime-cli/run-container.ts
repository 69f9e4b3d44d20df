import { doAll } from '../errors.js';
import { ensureShim } from '../native/shim.js';
import type { TaskEnd } from '../native/task.js';
import type { Caller } from './caller/caller.js';
import { signalsOf } from './caller/forward-signals.js';
import { deleteContainer, deleteEnded } from './change-container.js';
import { createContainer, leavePlans, type MadeContainer } from './create-container.js';
import type { CreateRequest } from './create-facts.js';
import { showTerminal } from './foreground-terminal.js';
import { lastWord, type Notifier } from './notify-socket.js';
import { shellStatus } from './runtime-output.js';
import { type SentOn, sendOn, startDetached, untilRunning } from './start-container.js';
import { undoneAfter } from './undone-after.js';

/**
 * Makes and starts a container. In the foreground the runtime waits for its end, passes signals on, and removes it unless `keep` is set; such a container
 * ends with the runtime.
 *
 * @returns the exit status of the program, 128 + n for a signal; 0 with `detach`
 */
export function runContainer(request: CreateRequest): Promise<number> {
  return request.detach ? runDetached(request) : runAttached(request);
}

async function runDetached(request: CreateRequest): Promise<number> {
  const { caller } = request;
  const { made } = await createContainer(request, leavePlans);
  const { folder, letGo, endLast } = made;
  try {
    // a program that ended while the shim is its parent would be reaped here
    await letGo();
    await startDetached(folder, caller);
  } catch (error) {
    throw await undoneAfter(error, () => doAll([() => remove(folder, caller), endLast]));
  }
  await endLast();
  return 0;
}

async function runAttached(request: CreateRequest): Promise<number> {
  const { caller, keep } = request;
  const { made, begun } = await createContainer(request, (container) => attached(container, caller));
  const { folder, task, endLast } = made;
  let notifier: Notifier | null = null;
  const end = (): Promise<void> => doAll([begun.end, () => notifier?.end(), endLast]);
  const untilEnd = async (): Promise<number> => {
    notifier = await untilRunning(folder, begun.sent, caller);
    const ended = await task.ended;
    const untold = notifier === null ? null : await lastWord(notifier);
    if (untold !== null) caller.tell(untold.message);
    if (!keep) await removeEnded(made, ended, caller);
    return shellStatus(ended);
  };
  const status = await untilEnd().catch(async (error: unknown) => {
    throw await undoneAfter(error, () => doAll([() => remove(folder, caller), end]));
  });
  await end();
  return status;
}

/** A container in the foreground. */
interface Attached {
  readonly sent: SentOn;
  /** Ends what the runtime does for the program beside it. */
  end(): Promise<void>;
}

/** Has the program begin, and signals and the terminal be the program's. */
async function attached(made: MadeContainer, caller: Caller): Promise<Attached> {
  const { folder, record, task, terminal } = made;
  const forget = caller.forwardSignals(signalsOf(task));
  const shown = terminal === null ? null : showTerminal(terminal, record.pid);
  const end = (): Promise<void> => doAll([() => shown?.end(), forget]);
  try {
    const sent = await sendOn(folder, record, { caller, isAttached: true });
    // beside the program
    leavePlans(made);
    return { sent, end };
  } catch (error) {
    throw await undoneAfter(error, end);
  }
}

/** The shim has removed the groups, unless it says otherwise, or they are those of a scope. */
function removeEnded(made: MadeContainer, { undoErrors }: Pick<TaskEnd, 'undoErrors'>, caller: Caller): Promise<void> {
  const isUndone = undoErrors.length === 0 && made.record.groups.every(({ unit }) => unit === undefined);
  return isUndone ? deleteEnded(made, caller) : deleteContainer(made.folder, { force: true, caller });
}

async function remove(folder: MadeContainer['folder'], caller: Caller): Promise<void> {
  await ensureShim();
  await deleteContainer(folder, { force: true, caller });
}

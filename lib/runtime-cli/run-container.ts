import { doAll, toError } from '../errors.js';
import { ensureShim } from '../native/shim.js';
import type { Task, TaskEnd } from '../native/task.js';
import type { Caller } from './caller/caller.js';
import { type Forwarding, signalsOf } from './caller/forward-signals.js';
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
  const { folder, endShim, letGoShim } = made;
  try {
    // a program that ended while the shim is its parent would be reaped here
    await endShim();
    await startDetached(folder, caller);
  } catch (error) {
    throw await undoneAfter(error, () => doAll([() => remove(made, caller), letGoShim]));
  }
  await letGoShim();
  return 0;
}

async function runAttached(request: CreateRequest): Promise<number> {
  const { caller, keep } = request;
  const signals = new ProgramSignals(caller);
  const { made, result: program } = await createContainer(
    request,
    (container) => attached(container, signals, caller),
    (task) => signals.forward(task),
  ).catch(async (error: unknown) => {
    throw await undoneAfter(error, () => signals.end());
  });
  const { folder, task, letGoShim } = made;
  let notifier: Notifier | null = null;
  const end = (): Promise<void> => doAll([program.end, () => notifier?.end(), letGoShim]);
  const untilEnd = async (): Promise<number> => {
    notifier = await untilRunning(folder, program.sent, caller);
    const ended = await task.ended;
    const untold = notifier === null ? null : await lastWord(notifier);
    if (untold !== null) caller.tell(untold.message);
    // nothing more is asked of the shim: it ends while the state is removed
    if (mayEnd(made, ended, keep)) await letGoShim();
    if (!keep) await removeEnded(made, ended, caller);
    return shellStatus(ended);
  };
  const status = await untilEnd().catch(async (error: unknown) => {
    throw await undoneAfter(error, () => doAll([() => remove(made, caller), end]));
  });
  await end();
  return status;
}

/** The caller's signals, which are the program's before that begins. */
class ProgramSignals {
  readonly #caller: Caller;
  #forwarding: Forwarding | null = null;

  constructor(caller: Caller) {
    this.#caller = caller;
  }

  forward(task: Task): void {
    this.#forwarding = this.#caller.forwardSignals(signalsOf(task));
  }

  async heard(): Promise<void> {
    await this.#forwarding?.heard;
  }

  end(): void {
    this.#forwarding?.end();
  }
}

/** A container in the foreground. */
interface Attached {
  readonly sent: SentOn;
  /** Ends what the runtime does for the program beside it. */
  end(): Promise<void>;
}

/** Has the program begin, and signals and the terminal be the program's. */
async function attached(made: MadeContainer, signals: ProgramSignals, caller: Caller): Promise<Attached> {
  const { folder, record, terminal } = made;
  const shown = terminal === null ? null : showTerminal(terminal, record.pid);
  const end = (): Promise<void> => doAll([() => shown?.end(), () => signals.end()]);
  try {
    await signals.heard();
    const sent = await sendOn(folder, record, { caller, isAttached: true });
    tryToLeavePlans(made, caller);
    return { sent, end };
  } catch (error) {
    throw await undoneAfter(error, end);
  }
}

/** Beside the program, which goes on where that fails: what is left for the front is done by Node then. */
function tryToLeavePlans(made: MadeContainer, caller: Caller): void {
  try {
    leavePlans(made);
  } catch (error) {
    caller.tell(toError(error).message);
  }
}

/** The shim has removed the groups, unless it says otherwise, or they are those of a scope. */
function isUndone({ record }: MadeContainer, { undoErrors }: Pick<TaskEnd, 'undoErrors'>): boolean {
  return undoErrors.length === 0 && record.groups.every(({ unit }) => unit === undefined);
}

function removeEnded(made: MadeContainer, ended: TaskEnd, caller: Caller): Promise<void> {
  return isUndone(made, ended) ? deleteEnded(made, caller) : removeMade(made, caller);
}

/** Whether the shim has no hook to run, and nothing to remove. */
function mayEnd(made: MadeContainer, ended: TaskEnd, keep: boolean): boolean {
  return keep || (isUndone(made, ended) && (made.config.hooks?.poststop.length ?? 0) === 0);
}

async function remove(made: MadeContainer, caller: Caller): Promise<void> {
  await ensureShim();
  await removeMade(made, caller);
}

function removeMade({ folder, seen }: MadeContainer, caller: Caller): Promise<void> {
  return deleteContainer(folder, { force: true, caller, only: seen });
}

import { allOf, errnoOf, hasCode, isError, NacelleError, toError } from '../errors.js';
import { SIGKILL } from '../plan/constants.js';
import { type Descriptors, joinParts, type Plan } from '../plan/plan.js';
import type { Slot, Step } from '../plan/steps.js';
import type { ShimSocket } from './binding.js';
import { checkSize } from './body-size.js';
import { Deferred } from './deferred.js';
import { Encoder, encodePlan, slotCount } from './encode.js';
import { closeDescriptor, loadNative } from './load-addon.js';
import { decodeCalled, decodeEnded, decodeFailed, decodeRunning, decodeStarted, type EndMessage, type StartedMessage } from './messages.js';
import { requireOwn } from './own-folder.js';
import { causes, Event, MAX_DESCRIPTORS, Request } from './protocol.js';
import { makeRuntimeBase, runtimeDir } from './runtime-dir.js';
import { ShimError } from './shim-error.js';
import { nativeError, stepError } from './system-errors.js';
import type { Beginning, StartPlan, Task, TaskEnd, TaskOutput } from './task.js';
import { cutError, isCut, output } from './task-output.js';

class Connection {
  readonly #socket: ShimSocket;
  readonly #tasks = new Map<number, RunningTask>();
  #nextId = 1;
  #references = 0;
  closed = false;

  constructor() {
    const { addon, shim } = loadNative();
    makeRuntimeBase();
    requireOwn(runtimeDir());
    try {
      this.#socket = new addon.Socket(
        { shim, runtimeDir: runtimeDir() },
        (type, id, body, fds) => this.#received(type, id, body, fds),
        () => this.#lost(),
      );
    } catch (error) {
      const errno = errnoOf(error);
      if (errno === undefined) throw error;
      throw nativeError(toError(error).message, 'posix_spawn', errno);
    }
  }

  get owner(): string {
    return this.#socket.owner;
  }

  start(plan: Plan, descriptors: Descriptors): RunningTask {
    return this.#start(Request.start, plan, descriptors, encodePlan(plan, descriptors));
  }

  startLater(plan: Plan, body: Uint8Array): RunningTask {
    return this.#start(Request.startLater, plan, new Map(), body);
  }

  #start(request: number, plan: Plan, descriptors: Descriptors, body: Uint8Array): RunningTask {
    checkSize(body);
    const task = new RunningTask(this, this.#nextId++, plan, descriptors);
    this.#tasks.set(task.id, task);
    try {
      this.send(request, task.id, body, [...descriptors.values()]);
    } catch (error) {
      task.onUnsent(error);
      // the shim then drops the descriptors that went ahead of the message; a broken connection has nothing to drop
      this.#socket.send(Request.close, task.id, new Uint8Array(), []);
      throw error;
    }
    return task;
  }

  /** Descriptors past what one message carries go ahead of it. */
  send(type: number, id: number, body: Uint8Array, fds: readonly number[] = []): void {
    let at = 0;
    // one place in each message is kept for the memfd of a long body
    for (; fds.length - at > MAX_DESCRIPTORS - 1; at += MAX_DESCRIPTORS - 1) {
      this.#post(Request.descriptors, id, new Uint8Array(), fds.slice(at, at + MAX_DESCRIPTORS - 1));
    }
    this.#post(type, id, body, fds.slice(at));
  }

  #post(type: number, id: number, body: Uint8Array, fds: readonly number[]): void {
    const result = this.#socket.send(type, id, body, fds);
    // onClose tells every task of a broken connection
    if (result < 0 && result !== -32 && result !== -104) throw nativeError('send to the shim', 'sendmsg', -result);
  }

  ref(): void {
    if (this.#references++ === 0) this.#socket.ref();
  }

  unref(): void {
    if (--this.#references === 0) this.#socket.unref();
  }

  forget(task: RunningTask): void {
    this.#tasks.delete(task.id);
  }

  #received(type: number, id: number, body: Buffer, fds: number[]): void {
    const task = this.#tasks.get(id);
    if (!task) {
      for (const fd of fds) closeDescriptor(fd);
      return;
    }
    if (type === Event.started) {
      const started = decodeStarted(body);
      if (isCut(started, fds)) task.onCut();
      else task.onStarted(started, output(started, fds));
    } else if (type === Event.running) task.onRunning(decodeRunning(body));
    else if (type === Event.called) task.onCalled(decodeCalled(body), fds);
    else if (type === Event.ended) task.onEnded(decodeEnded(body));
    else if (type === Event.failed) task.onFailed(decodeFailed(body));
  }

  #lost(): void {
    this.closed = true;
    for (const task of [...this.#tasks.values()]) task.onLost();
  }
}

class RunningTask implements Task, Beginning {
  readonly id: number;
  readonly begun = new Deferred<Task>();
  readonly #connection: Connection;
  #plan: Plan;
  readonly #ended = new Deferred<TaskEnd>();
  readonly #calls = new Map<number, { reply: Deferred<TaskOutput>; steps: readonly Step[] }>();
  #sequence = 0;
  #slots: number;
  #started: TaskOutput = { outputs: [], descriptors: new Map() };
  #pid = 0;
  #released: Deferred<void> | null = null;
  #gone = false;
  #hasBegun = false;
  /** Why the task is of no use, though it has begun in the shim. */
  #refusal: Error | null = null;
  #isRunning = false;
  #over = false;
  #kept: boolean;

  constructor(connection: Connection, id: number, plan: Plan, descriptors: Descriptors) {
    this.#connection = connection;
    this.id = id;
    this.#plan = plan;
    this.#slots = slotCount([plan.prepare, plan.undo, ...plan.stages.map(({ steps }) => steps)], descriptors);
    // a task keeps the event loop alive until it has begun; one with a process also until its end
    this.#kept = true;
    connection.ref();
  }

  get pid(): number {
    return this.#pid;
  }

  get started(): TaskOutput {
    return this.#started;
  }

  get ended(): Promise<TaskEnd> {
    return this.#ended.promise;
  }

  get over(): boolean {
    return this.#over;
  }

  go(): void {
    if (this.#over || this.#gone) return;
    this.#gone = true;
    try {
      this.#connection.send(Request.go, this.id, new Uint8Array());
    } catch {
      // the task goes on waiting, for its rest or its end
    }
  }

  /** Waits until the task has begun, and hears the signal until then. Afterwards those who have the task hear the signal. */
  async hear(cancelSignal: AbortSignal | null): Promise<Task> {
    const cancel = (): void =>
      void this.kill({ cause: 'cancel', signal: SIGKILL, tree: true }).catch((error: Error) => this.begun.reject(error));
    cancelSignal?.addEventListener('abort', cancel, { once: true });
    if (cancelSignal?.aborted) cancel();
    try {
      return await this.begun.promise;
    } catch (error) {
      // between two stages there is no process whose end would tell of the kill
      if (cancelSignal?.aborted && hasCode(error, 'ECHILD')) throw cancelSignal.reason;
      throw error;
    } finally {
      cancelSignal?.removeEventListener('abort', cancel);
    }
  }

  async goOn(rest: Plan, descriptors: Descriptors, cancelSignal: AbortSignal | null = null): Promise<Task> {
    const body = encodePlan(rest, descriptors);
    this.ref();
    this.#plan = joinParts({ first: this.#plan, rest }, { waits: true });
    this.#slots = slotCount([rest.prepare, rest.undo, ...rest.stages.map(({ steps }) => steps)], descriptors);
    try {
      checkSize(body);
      this.#connection.send(Request.rest, this.id, body, [...descriptors.values()]);
    } catch (error) {
      // the prewarmed part is undone; the error to throw is that the rest was not sent
      await Promise.allSettled([this.close()]);
      throw error;
    }
    return this.hear(cancelSignal);
  }

  release(): Promise<void> {
    if (this.#isRunning) return Promise.resolve();
    this.#released ??= new Deferred<void>();
    if (this.#over) this.#released.reject(new NacelleError('the process has ended', { code: 'ERR_ENDED' }));
    else this.#connection.send(Request.release, this.id, new Uint8Array());
    // a pending call keeps the event loop alive, also when the task was let go by `unref`
    this.#connection.ref();
    return this.#released.promise.finally(() => this.#connection.unref());
  }

  async call(steps: readonly Step[], options: { descriptors?: Descriptors; returns?: readonly Slot[] } = {}): Promise<TaskOutput> {
    const descriptors = options.descriptors ?? new Map<Slot, number>();
    this.#slots = Math.max(this.#slots, slotCount([steps], descriptors));
    return this.#ask(steps, (sequence) => {
      const body = new Encoder()
        .u32(sequence)
        .slots([...descriptors.keys()])
        .u32(this.#slots)
        .steps(steps);
      this.#connection.send(Request.call, this.id, body.slots(options.returns ?? []).finish(), [...descriptors.values()]);
    });
  }

  async kill({ cause, signal, tree }: Parameters<Task['kill']>[0]): Promise<void> {
    if (this.#over) return;
    const killed = this.#ask([], (sequence) => {
      const body = new Encoder().u32(sequence).u8(causes.indexOf(cause)).u32(signal);
      this.#connection.send(Request.kill, this.id, body.u8(tree ? 1 : 0).finish());
    });
    await killed.catch((error: unknown) => {
      // the task ended by itself while the message was under way: a kill then reaches nobody, as it should
      if (!(error instanceof NacelleError) || error.code !== 'ERR_ENDED') throw error;
    });
  }

  async close(): Promise<void> {
    if (!this.#over) {
      this.ref();
      this.#connection.send(Request.close, this.id, new Uint8Array());
    }
    await this.#ended.promise;
  }

  ref(): void {
    if (this.#kept || this.#over) return;
    this.#kept = true;
    this.#connection.ref();
  }

  unref(): void {
    if (!this.#kept) return;
    this.#kept = false;
    this.#connection.unref();
  }

  async #ask(steps: readonly Step[], send: (sequence: number) => void): Promise<TaskOutput> {
    if (this.#over) throw new NacelleError('it has ended', { code: 'ERR_ENDED' });
    const sequence = ++this.#sequence;
    const reply = new Deferred<TaskOutput>();
    this.#calls.set(sequence, { reply, steps });
    this.#connection.ref();
    try {
      send(sequence);
    } catch (error) {
      this.#calls.delete(sequence);
      this.#connection.unref();
      throw error;
    }
    return reply.promise;
  }

  onStarted(message: StartedMessage, output: TaskOutput): void {
    this.#pid = message.pid;
    this.#started = output;
    this.#hasBegun = true;
    this.#isRunning = message.running;
    if (this.#plan.stages.length === 0) this.unref();
    this.begun.resolve(this);
  }

  /** Ends the task, which is of no use without its descriptors; `begun` then rejects with the reason. */
  onCut(): void {
    this.#refusal = cutError();
    this.#connection.send(Request.close, this.id, new Uint8Array());
  }

  onRunning(message: StartedMessage): void {
    this.#pid = message.pid;
    this.#isRunning = true;
    this.#released?.resolve();
  }

  onCalled(message: ReturnType<typeof decodeCalled>, fds: readonly number[]): void {
    const call = this.#calls.get(message.sequence);
    if (!call) {
      for (const fd of fds) closeDescriptor(fd);
      return;
    }
    this.#calls.delete(message.sequence);
    this.#connection.unref();
    if ('failure' in message) call.reply.reject(stepError(message.failure, { plan: this.#plan, call: call.steps }));
    else if (isCut(message.results, fds)) call.reply.reject(cutError());
    else call.reply.resolve(output(message.results, fds));
  }

  onFailed(message: EndMessage): void {
    const error = this.#errorOf(message);
    this.#finish(() => error);
    this.#ended.reject(error);
  }

  onEnded(message: ReturnType<typeof decodeEnded>): void {
    const { failure, undoFailures, ...end } = message;
    if (failure) {
      this.onFailed(message);
      return;
    }
    // a caller that cancelled the task before it began waits for nothing but its end, so `begun` resolves
    if (end.cause === 'cancel') this.begun.resolve(this);
    this.#finish(
      () => new NacelleError(this.#isRunning ? 'it has ended' : 'the process was killed before it started', { code: 'ERR_ENDED' }),
    );
    this.#ended.resolve({ ...end, undoErrors: undoFailures.map((item) => stepError(item, { plan: this.#plan })) });
  }

  /** To be called when the task could not be sent, so that the shim does not know of it. */
  onUnsent(error: unknown): void {
    this.#finish(() => (isError(error) ? error : new NacelleError('it was not sent', { code: 'ERR_INTERNAL', cause: error })));
  }

  onLost(): void {
    const error = new ShimError();
    this.#finish(() => error);
    this.#ended.reject(error);
  }

  #errorOf({ failure, undoFailures }: EndMessage): Error {
    const undoError = allOf(undoFailures.map((item) => stepError(item, { plan: this.#plan })));
    if (!failure) return undoError ?? new NacelleError('it failed', { code: 'ERR_INTERNAL' });
    return stepError(failure, { plan: this.#plan }, undoError);
  }

  /** @param why makes the error for a promise that is still pending; it is only called for those, as an error is costly to make */
  #finish(why: () => Error): void {
    this.#over = true;
    if (!this.#hasBegun) this.begun.reject(this.#refusal ?? why());
    if (!this.#isRunning) this.#released?.reject(why());
    for (const { reply } of this.#calls.values()) {
      reply.reject(why());
      this.#connection.unref();
    }
    this.#calls.clear();
    this.unref();
    this.#connection.forget(this);
  }
}

let connection: Connection | undefined;

function connected(): Connection {
  if (!connection || connection.closed) connection = new Connection();
  return connection;
}

export const start: StartPlan = async (plan, descriptors, cancelSignal = null) => connected().start(plan, descriptors).hear(cancelSignal);

/** Sends the first part of a plan, which is `body` as it travels: it waits in the shim. */
export function beginLater(first: Plan, body: Uint8Array): Beginning {
  const task = connected().startLater(first, body);
  task.unref();
  return task;
}

/** The name under which this process's groups and records are made. Starts the shim. */
export function ownerName(): string {
  return connected().owner;
}

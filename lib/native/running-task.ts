import { allOf, hasCode, isError, NacelleError, oneOf } from '../errors.js';
import { SIGKILL } from '../plan/constants.js';
import { type Descriptors, type Plan, planOf } from '../plan/plan.js';
import type { Slot, Step } from '../plan/steps.js';
import { checkSize } from './body-size.js';
import type { Carrier } from './carrier.js';
import { Deferred } from './deferred.js';
import { encodePlan, encodeSteps, slotCount, stepsOf } from './encode.js';
import { KeptEvents } from './kept-events.js';
import {
  type AttachedMessage,
  type decodeCalled,
  type decodeEnded,
  decodeStatus,
  type EndMessage,
  type StartedMessage,
  type TraceMark,
} from './messages.js';
import { endedError, PendingCalls } from './pending-calls.js';
import { Request, TaskState } from './protocol.js';
import { againBody, callBody, killBody, statusBody, tellBody } from './request-bodies.js';
import { SentPlan } from './sent-plan.js';
import type { StepFailure } from './step-failure.js';
import { stepError, undoErrorsOf } from './system-errors.js';
import type {
  Beginning,
  EncodedPlan,
  EncodedSteps,
  HealthWord,
  RawDenial,
  RawRefusal,
  RunEnd,
  StartPlan,
  Task,
  TaskEnd,
  TaskOutput,
  TaskStatus,
  TaskWatcher,
} from './task.js';
import { cutError } from './task-output.js';
import { type Trace, traceOf, withTrace } from './trace.js';

/** What is left to be done of a task that is over. */
const NOTHING = planOf({});
const NO_STEPS = (): readonly Step[] => [];
const NO_ERRORS = { undoErrors: [], notStartedAgain: null };

/** A task of a shim, as this environment knows it. */
export class RunningTask implements Task, Beginning {
  readonly id: number;
  readonly begun = new Deferred<Task>();
  readonly #connection: Carrier;
  #plan: SentPlan;
  readonly #emptied = new Deferred<RunEnd>();
  readonly #ended = new Deferred<TaskEnd>();
  /** What was told before the undo steps. */
  #end: RunEnd | null = null;
  readonly #calls: PendingCalls;
  #slots: number;
  #started: TaskOutput = { outputs: [], descriptors: new Map() };
  #pid = 0;
  #released: Deferred<void> | null = null;
  /** Whoever has asked for another run. */
  #again: Deferred<void> | null = null;
  /** Its program has run before, as far as is known here. */
  #hasRun = false;
  readonly #watchers = new Set<TaskWatcher>();
  readonly #denials = new KeptEvents<RawDenial>();
  readonly #refusals = new KeptEvents<RawRefusal>();
  #trace: Trace | null = null;
  #gone = false;
  #hasBegun = false;
  /** Why the task is of no use, though it has begun in the shim. */
  #refusal: Error | null = null;
  #isRunning = false;
  /** Nothing is left of it in the shim. */
  #over = false;
  #hasEnded = false;
  /** It stays after its end until it is closed. */
  readonly #stays: boolean;
  readonly #removed = new Deferred<void>();
  #kept: boolean;

  constructor(connection: Carrier, id: number, plan: Plan, descriptors: Descriptors) {
    this.#connection = connection;
    this.#calls = new PendingCalls(connection);
    this.id = id;
    this.#plan = new SentPlan(plan);
    this.#stays = plan.keep !== undefined;
    this.#slots = slotCount(stepsOf(plan), descriptors.keys());
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

  get emptied(): Promise<RunEnd> {
    return this.#emptied.promise;
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

  /** Has its times told there. */
  traceTo(trace: Trace | null): void {
    this.#trace = trace;
    trace?.awaits(this);
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
    const wanted = this.#plan.first.trace ? withTrace(rest) : rest;
    const trace = traceOf(wanted);
    trace?.did('prepare and plan');
    const body = encodePlan(wanted, descriptors, this.#connection.table);
    trace?.did('encode the rest of the plan');
    const slots = slotCount(stepsOf(rest), descriptors.keys());
    return this.#sendRest({ body, slots, plan: () => wanted }, descriptors, { cancelSignal, trace });
  }

  goOnEncoded(rest: EncodedPlan, descriptors: Descriptors, cancelSignal: AbortSignal | null = null): Promise<Task> {
    return this.#sendRest(rest, descriptors, { cancelSignal, trace: null });
  }

  async #sendRest(
    { body, slots, plan }: EncodedPlan,
    descriptors: Descriptors,
    { cancelSignal, trace }: { readonly cancelSignal: AbortSignal | null; readonly trace: Trace | null },
  ): Promise<Task> {
    this.ref();
    this.#plan.goOnWith(plan);
    this.#slots = slots;
    try {
      checkSize(body);
      this.#connection.send(Request.rest, this.id, body, [...descriptors.values()]);
    } catch (error) {
      // the prewarmed part is undone; the error to throw is that the rest was not sent
      await Promise.allSettled([this.close()]);
      throw error;
    }
    trace?.did('send the rest of the plan');
    this.traceTo(trace);
    return this.hear(cancelSignal);
  }

  release(): Promise<void> {
    if (this.#isRunning) return Promise.resolve();
    this.#released ??= new Deferred<void>();
    if (this.#over || this.#hasEnded) this.#released.reject(new NacelleError('the process has ended', { code: 'ERR_ENDED' }));
    else this.#connection.send(Request.release, this.id, new Uint8Array());
    // a pending call keeps the event loop alive, also when the task was let go by `unref`
    this.#connection.ref();
    return this.#released.promise.finally(() => this.#connection.unref());
  }

  async call(steps: readonly Step[], options: { descriptors?: Descriptors; returns?: readonly Slot[] } = {}): Promise<TaskOutput> {
    const descriptors = options.descriptors ?? new Map<Slot, number>();
    this.#slots = Math.max(this.#slots, slotCount([steps], descriptors.keys()));
    const words = (): readonly Step[] => steps;
    return this.#ask(words, (sequence) => {
      const slots = { given: [...descriptors.keys()], count: this.#slots, returns: options.returns ?? [] };
      const body = callBody(sequence, encodeSteps(steps, this.#connection.table), slots);
      this.#connection.send(Request.call, this.id, body, [...descriptors.values()]);
    });
  }

  /** As {@link call}, of steps that were encoded for a shim of this version. */
  async callEncoded({ body, slots, steps }: EncodedSteps): Promise<TaskOutput> {
    this.#slots = Math.max(this.#slots, slots);
    return this.#ask(steps, (sequence) => {
      this.#connection.send(Request.call, this.id, callBody(sequence, body, { given: [], count: this.#slots, returns: [] }));
    });
  }

  async kill({ cause, signal, tree }: Parameters<Task['kill']>[0]): Promise<void> {
    if (this.#over || this.#hasEnded) return;
    const killed = this.#ask(NO_STEPS, (sequence) =>
      this.#connection.send(Request.kill, this.id, killBody(sequence, { cause, signal, tree })),
    );
    await killed.catch((error: unknown) => {
      // the task ended by itself while the message was under way: a kill then reaches nobody, as it should
      if (!(error instanceof NacelleError) || error.code !== 'ERR_ENDED') throw error;
    });
  }

  tell(words: Uint8Array, { atEnd = false }: { atEnd?: boolean } = {}): void {
    if (!this.#over) this.#connection.send(Request.tell, this.id, tellBody(words, atEnd));
  }

  async close(): Promise<void> {
    // whoever waits for the removal keeps the event loop alive, also of a task that has ended
    this.#connection.ref();
    try {
      if (!this.#over) this.#connection.send(Request.close, this.id, new Uint8Array());
      await (this.#stays && this.#hasBegun ? this.#removed.promise : this.#ended.promise);
    } finally {
      this.#connection.unref();
    }
  }

  async again({ signal, killAfterMs }: { signal: number; killAfterMs: number }): Promise<void> {
    if (this.#over || this.#hasEnded) throw endedError();
    this.#connection.send(Request.again, this.id, againBody(signal, killAfterMs));
    this.#again ??= new Deferred<void>();
    const again = this.#again.promise;
    this.#connection.ref();
    await again.finally(() => this.#connection.unref());
  }

  async status(): Promise<TaskStatus> {
    const { outputs } = await this.#ask(NO_STEPS, (sequence) => this.#connection.send(Request.status, this.id, statusBody(sequence)));
    return decodeStatus(Buffer.from(outputs[0] ?? []));
  }

  watch(watcher: TaskWatcher): () => void {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  hearDenials(listener: (denial: RawDenial) => void): void {
    this.#denials.hear(listener);
  }

  hearRefusals(listener: ((refusal: RawRefusal) => void) | null): void {
    this.#refusals.hear(listener);
  }

  get beside(): StartPlan {
    return this.#connection.startPlan;
  }

  ref(): void {
    if (this.#kept || this.#over || this.#hasEnded) return;
    this.#kept = true;
    this.#connection.ref();
  }

  unref(): void {
    if (!this.#kept) return;
    this.#kept = false;
    this.#connection.unref();
  }

  async #ask(steps: () => readonly Step[], send: (sequence: number) => void): Promise<TaskOutput> {
    if (this.#over) throw endedError();
    return this.#calls.ask(steps, send);
  }

  onStarted(message: StartedMessage, output: TaskOutput): void {
    this.#pid = message.pid;
    this.#started = output;
    this.#hasBegun = true;
    this.#isRunning = message.running;
    this.#hasRun = message.running;
    this.#trace?.did(message.running ? 'wait until the program runs' : 'wait until it is made');
    if (this.#plan.first.stages.length === 0) this.unref();
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
    this.#trace?.did('wait until the program was started');
    this.#released?.resolve();
    this.#again?.resolve();
    this.#again = null;
    for (const watcher of this.#watchers) this.#hasRun ? watcher.ran() : watcher.began();
    this.#hasRun = true;
  }

  onTraced(marks: readonly TraceMark[]): void {
    this.#trace?.did('wait until it has ended');
    this.#trace?.tell(this, marks, this.#plan.whole());
    this.#trace = null;
  }

  onDied(end: RunEnd): void {
    for (const watcher of this.#watchers) watcher.died(end);
  }

  onHealth(status: HealthWord): void {
    for (const watcher of this.#watchers) watcher.health(status);
  }

  onDenied(denial: RawDenial): void {
    this.#denials.tell(denial);
  }

  onRefused(refusal: RawRefusal): void {
    this.#refusals.tell(refusal);
  }

  onCalled(message: ReturnType<typeof decodeCalled>, fds: readonly number[]): void {
    this.#calls.onCalled(message, fds, () => this.#plan.whole());
  }

  onFailed(message: EndMessage): void {
    const error = this.#errorOf(message);
    this.#finish(() => error);
    this.#reject(error);
  }

  /** The tree is gone: what is left to be undone is told by {@link onUndone}. */
  onOver({ failure: _, undoFailures: __, ...end }: ReturnType<typeof decodeEnded>): void {
    this.#end = end;
    this.#emptied.resolve(end);
  }

  onUndone(undoFailures: readonly StepFailure[]): void {
    if (this.#end !== null) this.#endAs(this.#end, undoFailures);
  }

  onEnded(message: ReturnType<typeof decodeEnded>): void {
    const { failure, undoFailures, ...end } = message;
    if (failure) {
      this.onFailed(message);
      return;
    }
    this.#endAs(end, undoFailures);
  }

  #endAs(end: RunEnd, undoFailures: readonly StepFailure[]): void {
    // a caller that cancelled the task before it began waits for nothing but its end, so `begun` resolves
    if (end.cause === 'cancel') this.begun.resolve(this);
    const why = () =>
      new NacelleError(this.#isRunning ? 'it has ended' : 'the process was killed before it started', { code: 'ERR_ENDED' });
    const errors = undoFailures.length === 0 ? NO_ERRORS : undoErrorsOf(undoFailures, this.#plan.whole());
    // whoever has asked for another run hears why there is none
    if (errors.notStartedAgain) this.#again?.reject(errors.notStartedAgain);
    if (this.#stays) this.#rest(why);
    else this.#finish(why);
    this.#emptied.resolve(end);
    this.#ended.resolve({ ...end, ...errors });
  }

  #reject(error: Error): void {
    this.#emptied.reject(error);
    this.#ended.reject(error);
    this.#removed.reject(error);
  }

  /** Another process has started the task; this one has attached to it. */
  onAttached({ state, pid }: AttachedMessage): void {
    this.#pid = pid;
    this.#hasBegun = true;
    this.#isRunning = state !== TaskState.created;
    this.#hasRun = this.#isRunning;
    this.begun.resolve(this);
  }

  onRemoved(failures: readonly StepFailure[]): void {
    const error = oneOf(failures.map((item) => stepError(item, { plan: this.#plan.whole() })));
    this.#finish(() => new NacelleError('it was removed', { code: 'ERR_ENDED' }));
    if (error) this.#removed.reject(error);
    else this.#removed.resolve();
  }

  /** To be called when the task could not be sent, so that the shim does not know of it. */
  onUnsent(error: unknown): void {
    this.#finish(() => (isError(error) ? error : new NacelleError('it was not sent', { code: 'ERR_INTERNAL', cause: error })));
  }

  /** The connection has ended. */
  onLost(error: Error): void {
    this.#finish(() => error);
    this.#reject(error);
  }

  #errorOf({ failure, undoFailures }: EndMessage): Error {
    const undoErrors = undoFailures.map((item) => stepError(item, { plan: this.#plan.whole() }));
    if (!failure) return oneOf(undoErrors) ?? new NacelleError('it failed', { code: 'ERR_INTERNAL' });
    return stepError(failure, { plan: this.#plan.whole() }, allOf(undoErrors));
  }

  /** The task has ended, and stays in the shim. Node need not stay alive for it. */
  #rest(why: () => Error): void {
    this.#hasEnded = true;
    if (!this.#isRunning) this.#released?.reject(why());
    this.#refuseAgain(why);
    this.unref();
  }

  #refuseAgain(why: () => Error): void {
    this.#again?.reject(why());
    this.#again = null;
  }

  /** @param why makes the error for a promise that is still pending; it is only called for those, as an error is costly to make */
  #finish(why: () => Error): void {
    this.#over = true;
    if (!this.#hasBegun) this.begun.reject(this.#refusal ?? why());
    if (!this.#isRunning) this.#released?.reject(why());
    this.#refuseAgain(why);
    this.#calls.end(why);
    this.#trace?.forget(this);
    this.#trace = null;
    // no step can fail any more, and a caller may keep the handle for long
    this.#plan = new SentPlan(NOTHING);
    this.unref();
    this.#connection.forget(this);
  }
}

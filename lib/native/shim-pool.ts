import { NacelleError, oneOf } from '../errors.js';
import { type Descriptors, type Plan, planOf } from '../plan/plan.js';
import { checkSize } from './body-size.js';
import type { Carrier } from './carrier.js';
import { Deferred } from './deferred.js';
import { Encoder, encodePlan } from './encode.js';
import type { EndMessage, SpentMessage } from './messages.js';
import { Request } from './protocol.js';
import { RunningTask } from './running-task.js';
import type { ShimTable } from './shim-table.js';
import { stepError } from './system-errors.js';
import type { Beginning } from './task.js';
import { withTrace } from './trace.js';

/** A first part that waits in the shim for its rest, with the name that it was given. */
export interface Parked {
  readonly name: string;
  readonly beginning: Beginning & Pick<RunningTask, 'call' | 'callEncoded'>;
}

/** A first part with the name by which the shim tells it apart. */
export interface NamedPart {
  readonly first: Plan;
  readonly name: string;
}

/** Which first parts wait. */
export interface ShimPoolOf {
  readonly count: number;
  /** One for all: the shim gives each a name in the place of this one, wherever that stands in the plan. `null`: each is sent by {@link ShimPool.add}. */
  readonly all: NamedPart | null;
  /** Hears of each that was added and that nobody has taken, when it has gone; `hasBegun`: its plan's steps have run, and its undo steps too. */
  readonly onSpent?: (name: string, hasBegun: boolean) => void;
  /**
   * Hears that one could not be made, or has died while it waited: the shim begins none any more until one is taken. `isUnread`: one that was added came
   * without its name, for want of a descriptor, and is never told of.
   */
  readonly onFailed?: (isUnread: boolean) => void;
}

/** How a part travels; `null`: there is none. */
export function partBody(part: NamedPart | null, descriptors: Descriptors, table: ShimTable): Uint8Array {
  const name = new Encoder().str(part?.name ?? '').finish();
  return part === null ? name : Buffer.concat([name, encodePlan(part.first, descriptors, table)]);
}

/** First parts of plans that wait in the shim. It begins another one for each that is taken, without being asked. Keeps no event loop alive. */
export class ShimPool {
  readonly id: number;
  readonly #connection: Carrier;
  readonly #of: ShimPoolOf;
  readonly #begun = new Deferred<void>();
  readonly #gone = new Deferred<void>();
  /** Those that were added, until they are taken or spent. */
  readonly #added = new Map<string, Plan>();
  /** Those who wait for the next ones that wait. */
  readonly #asking = new Set<Deferred<void>>();
  #count: number;
  /** Those of whom somebody waits to hear that they wait, or never will. */
  readonly #settling = new Map<string, Deferred<void>>();
  /** What could not be undone of those that nobody had. */
  readonly #undoErrors: Error[] = [];
  #waiting: { readonly name: string; readonly task: RunningTask }[] = [];
  #hasFailed = false;
  #isClosed = false;
  #isOver = false;
  #isLost = false;

  constructor(connection: Carrier, id: number, of: ShimPoolOf) {
    this.#connection = connection;
    this.id = id;
    this.#of = of;
    this.#count = of.count;
  }

  /** There will never be another: the shim has ended, or undone them all. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** The shim has ended, and told of none that was left. */
  get isLost(): boolean {
    return this.#isLost;
  }

  /** One could not be made, or has died while it waited, and nobody who takes one has had the shim try again since. */
  get hasFailed(): boolean {
    return this.#hasFailed;
  }

  /** How many wait. */
  get ready(): number {
    const left = this.#waiting.filter(({ task }) => !task.over);
    // the shim begins none in the place of one that has died while it waited
    this.#hasFailed ||= left.length < this.#waiting.length;
    this.#waiting = left;
    return left.length;
  }

  /** Resolves when all wait for the first time; rejects when one could not be made. */
  get begun(): Promise<void> {
    this.#connection.ref();
    return this.#begun.promise.finally(() => this.#connection.unref());
  }

  /** Calls that when all wait for the first time. Keeps no event loop alive. */
  whenBegun(call: () => void): void {
    void this.#begun.promise.then(call, () => undefined);
  }

  /** Gives the one that has waited longest to the caller alone. `null`: none waits. After a failure this has the shim try again. */
  take(): Parked | null {
    const { ready } = this;
    if (this.#hasFailed || ready < this.#count) this.#fill(ready);
    return this.#shift();
  }

  #shift(): Parked | null {
    const { task, name } = this.ready > 0 ? (this.#waiting.shift() ?? {}) : {};
    if (task === undefined || name === undefined) return null;
    this.#added.delete(name);
    return { name, beginning: task };
  }

  /**
   * As {@link take}; where none waits, it waits for the next one that does. `null`: there is none to come, another one has taken it, or the signal was
   * aborted: then it is left to others.
   *
   * @param how.keepsAlive whether the event loop lives until then
   */
  async takeNext(cancelSignal: AbortSignal | null = null, { keepsAlive = true } = {}): Promise<Parked | null> {
    if (cancelSignal?.aborted) return null;
    const taken = this.take();
    if (taken !== null || this.#isOver || this.#isClosed || this.#count === 0) return taken;
    const asking = new Deferred<void>();
    const leave = (): void => {
      this.#asking.delete(asking);
      asking.resolve();
    };
    this.#asking.add(asking);
    cancelSignal?.addEventListener('abort', leave, { once: true });
    await (keepsAlive ? this.during(asking.promise) : asking.promise);
    cancelSignal?.removeEventListener('abort', leave);
    return this.#hasFailed || cancelSignal?.aborted ? null : this.#shift();
  }

  /** Keeps the event loop alive until that has settled. */
  async during<T>(work: Promise<T>): Promise<T> {
    this.#connection.ref();
    return work.finally(() => this.#connection.unref());
  }

  /** How many are to wait from now on. Those beyond that which wait already are not undone. */
  want(count: number): void {
    if (this.#isOver || this.#isClosed || count === this.#count) return;
    this.#count = count;
    this.#connection.send(Request.go, this.id, new Encoder().u32(count).finish());
    // the shim may have begun none for them
    if (count === 0) this.#endAsking();
  }

  #endAsking(): void {
    for (const asking of this.#asking) asking.resolve();
    this.#asking.clear();
  }

  /**
   * Sends one more, which the shim begins when its turn comes. The descriptors may be closed then.
   *
   * @returns a promise that resolves when it waits, or has gone, or waits for others to be asked for
   * @throws as what sends: the shim does not have it
   */
  add({ name, first }: NamedPart, descriptors: Descriptors): Promise<void> {
    if (this.#isOver || this.#isClosed) throw new NacelleError('add to a pool: it is closed', { code: 'ERR_STATE' });
    const plan = withTrace(first);
    const body = partBody({ name, first: plan }, descriptors, this.#connection.table);
    checkSize(body);
    this.#connection.send(Request.part, this.id, body, [...descriptors.values()]);
    this.#added.set(name, plan);
    const settling = new Deferred<void>();
    this.#settling.set(name, settling);
    return settling.promise;
  }

  #settle(name: string): void {
    this.#settling.get(name)?.resolve();
    this.#settling.delete(name);
  }

  #settleAll(): void {
    this.#endAsking();
    for (const name of [...this.#settling.keys()]) this.#settle(name);
  }

  #fill(ready: number): void {
    // the shim goes on by itself, unless one has failed
    if (this.#isOver || this.#isClosed || (ready > 0 && !this.#hasFailed)) return;
    this.#hasFailed = false;
    this.#connection.send(Request.go, this.id, new Uint8Array());
  }

  /**
   * Undoes those that wait, and waits for that, and until the mounts are gone of all runs that have ended when `runs` has. Idempotent.
   *
   * @throws what could not be undone
   */
  async close(runs: Promise<unknown> = Promise.resolve()): Promise<void> {
    if (!this.#isClosed && !this.#isOver) {
      this.#connection.send(Request.close, this.id, new Uint8Array());
      const release = (): void => {
        if (!this.#isOver) this.#connection.send(Request.release, this.id, new Uint8Array());
      };
      void runs.then(release, release);
    }
    this.#isClosed = true;
    this.#waiting = [];
    this.#connection.ref();
    await this.#gone.promise.finally(() => this.#connection.unref());
    const error = oneOf(this.#undoErrors);
    if (error) throw error;
  }

  onReady(name: string, number: number): RunningTask {
    const task = new RunningTask(this.#connection, number, this.#planOf(name) ?? planOf({}), new Map());
    task.unref();
    this.#settle(name);
    if (this.#isClosed) return task;
    this.#waiting.push({ name, task });
    const [first] = this.#asking;
    if (first !== undefined) this.#asking.delete(first);
    first?.resolve();
    if (this.ready >= this.#count) this.#begun.resolve();
    return task;
  }

  onSpent({ name, hasBegun, failure, undoFailures }: SpentMessage): void {
    if (name === '') this.#of.onFailed?.(true);
    const plan = this.#planOf(name);
    // it was taken a moment ago: whoever has it is told by its task
    if (plan === undefined) return;
    this.#settle(name);
    this.#added.delete(name);
    const undoErrors = undoFailures.map((item) => stepError(item, { plan }));
    this.#undoErrors.push(...undoErrors);
    if (failure) this.#failed([stepError(failure, { plan }), ...undoErrors]);
    this.#of.onSpent?.(name, hasBegun);
  }

  /** Of none in particular: no plan could be had for the next one. */
  onFailed({ failure }: EndMessage): void {
    this.#failed(failure ? [stepError(failure, { plan: this.#of.all?.first ?? planOf({}) })] : []);
  }

  #failed(errors: readonly Error[]): void {
    this.#hasFailed = true;
    this.#settleAll();
    const error = oneOf(errors);
    if (error) this.#begun.reject(error);
    this.#of.onFailed?.(false);
  }

  /** Of one that nobody has taken. */
  #planOf(name: string): Plan | undefined {
    return this.#of.all?.first ?? this.#added.get(name);
  }

  onRemoved(): void {
    this.#isOver = true;
    this.#settleAll();
    // nobody is kept waiting for one that was closed before all waited
    this.#begun.reject(new NacelleError('the pool is closed', { code: 'ERR_STATE' }));
    this.#gone.resolve();
  }

  /** The connection has ended, and all of them with it. */
  onLost(error: Error): void {
    this.#isOver = true;
    this.#isLost = true;
    this.#waiting = [];
    this.#settleAll();
    this.#begun.reject(error);
    this.#gone.resolve();
  }
}

import { oneOf } from '../errors.js';
import type { Plan } from '../plan/plan.js';
import type { Carrier } from './carrier.js';
import { Deferred } from './deferred.js';
import type { EndMessage } from './messages.js';
import { Request } from './protocol.js';
import type { RunningTask } from './running-task.js';
import type { StepFailure } from './step-failure.js';
import { stepError } from './system-errors.js';
import type { Beginning } from './task.js';

/** A first part that waits in the shim for its rest, with the name that it was given. */
export interface Parked {
  readonly name: string;
  readonly beginning: Beginning;
}

/** How the shim names each of them: `name` stands in the plan, and in no other place. */
export interface FirstPartsOf {
  readonly first: Plan;
  readonly name: string;
  readonly count: number;
}

/** First parts of one plan that wait in the shim. It begins another one for each that is taken, without being asked. Keeps no event loop alive. */
export class FirstParts {
  readonly id: number;
  readonly #connection: Carrier;
  readonly #of: FirstPartsOf;
  readonly #begun = new Deferred<void>();
  readonly #gone = new Deferred<void>();
  #waiting: { readonly name: string; readonly task: RunningTask }[] = [];
  #hasFailed = false;
  #isClosed = false;
  #isOver = false;

  constructor(connection: Carrier, id: number, of: FirstPartsOf) {
    this.#connection = connection;
    this.id = id;
    this.#of = of;
  }

  get first(): Plan {
    return this.#of.first;
  }

  /** There will never be another: the shim has ended, or undone them all. */
  get isOver(): boolean {
    return this.#isOver;
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

  /** Gives the one that has waited longest to the caller alone. `null`: none waits. After a failure this has the shim try again. */
  take(): Parked | null {
    const { ready } = this;
    if (this.#hasFailed || ready < this.#of.count) this.#fill(ready);
    const taken = this.#waiting.shift();
    return taken ? { name: taken.name, beginning: taken.task } : null;
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
  }

  onReady(name: string, task: RunningTask): void {
    if (this.#isClosed) return;
    this.#waiting.push({ name, task });
    if (this.#waiting.length >= this.#of.count) this.#begun.resolve();
  }

  onFailed({ failure, undoFailures }: EndMessage): void {
    this.#hasFailed = true;
    const errors = [...(failure ? [failure] : []), ...undoFailures].map((item) => stepError(item, { plan: this.first }));
    const error = oneOf(errors);
    if (error) this.#begun.reject(error);
  }

  onRemoved(failures: readonly StepFailure[]): void {
    this.#isOver = true;
    const error = oneOf(failures.map((item) => stepError(item, { plan: this.first })));
    if (error) this.#gone.reject(error);
    else this.#gone.resolve();
  }

  /** The connection has ended, and all of them with it. */
  onLost(error: Error): void {
    this.#isOver = true;
    this.#waiting = [];
    this.#begun.reject(error);
    this.#gone.resolve();
  }
}

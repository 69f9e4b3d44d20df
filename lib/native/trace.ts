import { AsyncLocalStorage } from 'node:async_hooks';
import type { Plan } from '../plan/plan.js';
import { monotonicMs } from './clock.js';
import type { TraceMark } from './messages.js';
import { inOrder, type Span, spansOf, type Timeline, timelineText } from './timeline.js';

const asked = process.env.NACELLE_TRACE ?? '';

/** Whether the environment variable NACELLE_TRACE asked for timelines when nacelle was loaded. */
export const isTracing = asked !== '' && asked !== '0';

/** What is known of one call: Node's own parts, one after the other, and the plans that were sent for it. */
export class Trace {
  readonly #name: string;
  readonly #spans: Span[] = [];
  #reachedMs = monotonicMs();
  #isSettled = false;
  /** The newest plan has not told its times yet. */
  #awaited: object | null = null;

  constructor(name: string) {
    this.#name = name;
  }

  /** Node has done this since it did what it was told to note before. */
  did(what: string): void {
    const now = monotonicMs();
    this.#spans.push({ who: 'node', step: '-', what, beganMs: this.#reachedMs, endedMs: now });
    this.#reachedMs = now;
  }

  awaits(task: object): void {
    this.#awaited = task;
  }

  /** A plan's times, just before its end. */
  tell(task: object, marks: readonly TraceMark[], plan: Plan): void {
    this.#spans.push(...spansOf(marks, plan));
    this.forget(task);
  }

  /** The plan's times won't be told any more. */
  forget(task: object): void {
    if (this.#awaited === task) this.#awaited = null;
    this.#writeWhenDone();
  }

  /** Does some work of the call: the plans that it starts belong to this trace. */
  during<T>(work: () => T): T {
    calls ??= new AsyncLocalStorage();
    return calls.run(this, work);
  }

  /** The call is over when this promise is settled. */
  async ends<T>(promise: Promise<T>): Promise<T> {
    try {
      const value = await promise;
      this.did('make the result');
      return value;
    } finally {
      this.settle();
    }
  }

  /** The call is over. A container that was created lives on: the times of its plan come with its end. */
  settle(): void {
    this.#isSettled = true;
    this.#writeWhenDone();
  }

  #writeWhenDone(): void {
    if (!this.#isSettled || this.#awaited !== null || this.#spans.length === 0) return;
    write({ name: this.#name, spans: inOrder(this.#spans) });
    this.#spans.length = 0;
  }
}

function write(timeline: Timeline): void {
  process.stderr.write(asked === 'json' ? `${JSON.stringify(timeline)}\n` : timelineText(timeline));
}

/** The plan with the wish that the shim tells its times, where anybody wants a trace. A detached container may outlive whoever would hear of them. */
export function withTrace(plan: Plan): Plan {
  return isTracing && plan.keep === undefined ? { ...plan, trace: true } : plan;
}

/** What a plan's times are told to: the trace of the call that it is for, else one of its own. */
export function traceOf(plan: Plan): Trace | null {
  if (!plan.trace) return null;
  const current = currentTrace();
  if (current !== null) return current;
  const own = new Trace('a plan of no call');
  own.settle();
  return own;
}

let calls: AsyncLocalStorage<Trace> | undefined;

function currentTrace(): Trace | null {
  return calls?.getStore() ?? null;
}

/** The trace of a call that begins now; `null` where nobody wants one. */
export function beginTrace(name: string): Trace | null {
  return isTracing ? new Trace(name) : null;
}

/** Does some work for a caller, and writes its timeline when both are over, the work and the newest plan that it started. */
export function traced<T>(name: string, work: () => Promise<T>): Promise<T> {
  const trace = beginTrace(name);
  return trace === null ? work() : trace.ends(trace.during(work));
}

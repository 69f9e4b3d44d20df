import type { ContainerEvent } from '../options/event-types.js';

/** How many events are kept for a loop that takes them slowly. */
const ROOM = 1024;

/** Events that were not taken yet, and the calls that wait for them. Of too many the oldest make way, and the next one says how many. */
export class EventStream implements AsyncIterableIterator<ContainerEvent> {
  readonly #events: ContainerEvent[] = [];
  readonly #waiting: { resolve(result: IteratorResult<ContainerEvent>): void; reject(error: unknown): void }[] = [];
  readonly #hooks: { onWaiting(isWaiting: boolean): void; onEnd(): void };
  #lost = 0;
  #end: { readonly error?: unknown } | null = null;

  /** `onWaiting` is told whether somebody waits for an event; `onEnd` is called once, when nothing more is wanted. */
  constructor(hooks: { onWaiting(isWaiting: boolean): void; onEnd(): void }) {
    this.#hooks = hooks;
  }

  push(event: ContainerEvent): void {
    if (this.#end) return;
    const waiting = this.#waiting.shift();
    if (waiting) {
      if (this.#waiting.length === 0) this.#hooks.onWaiting(false);
      waiting.resolve({ done: false, value: event });
      return;
    }
    if (this.#events.length === ROOM) this.#lost += 1 + (this.#events.shift()?.lost ?? 0);
    this.#events.push(event);
  }

  /** Ends the stream: events that came before are dropped, and `error` is thrown once. */
  fail(error: unknown): void {
    if (this.#end) return;
    this.#finish({ error });
    const [first, ...others] = this.#waiting.splice(0);
    if (first) {
      this.#end = {};
      first.reject(error);
    }
    for (const { resolve } of others) resolve({ done: true, value: undefined });
  }

  next(): Promise<IteratorResult<ContainerEvent>> {
    const event = this.#events.shift();
    if (event) {
      const lost = event.lost + this.#lost;
      this.#lost = 0;
      return Promise.resolve({ done: false, value: { ...event, lost } });
    }
    if (this.#end) {
      const end = this.#end;
      this.#end = {};
      return 'error' in end ? Promise.reject(end.error) : Promise.resolve({ done: true, value: undefined });
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      if (this.#waiting.length === 1) this.#hooks.onWaiting(true);
    });
  }

  /** A `break` in a `for await` loop calls this. */
  return(): Promise<IteratorResult<ContainerEvent>> {
    if (!this.#end) this.#finish({});
    this.#end = {};
    for (const { resolve } of this.#waiting.splice(0)) resolve({ done: true, value: undefined });
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #finish(end: { readonly error?: unknown }): void {
    this.#end = end;
    this.#events.length = 0;
    this.#hooks.onEnd();
  }
}

import type { CgroupEvent } from './event-counts.js';

/**
 * Events that were not taken yet, and the calls that wait for them. Of each type only the newest is kept: its count tells of the others.
 */
export class EventQueue implements AsyncIterableIterator<CgroupEvent> {
  readonly #events: CgroupEvent[] = [];
  readonly #waiting: Waiting[] = [];
  readonly #onEnd: () => void;
  #end: { readonly error?: unknown } | null = null;

  /** @param onEnd called once, when nothing more can come or is wanted */
  constructor(onEnd: () => void) {
    this.#onEnd = onEnd;
  }

  get ended(): boolean {
    return this.#end !== null;
  }

  push(event: CgroupEvent): void {
    if (this.#end) return;
    const waiting = this.#waiting.shift();
    if (waiting) {
      waiting.resolve({ done: false, value: event });
      return;
    }
    const older = this.#events.findIndex(({ type }) => type === event.type);
    if (older >= 0) this.#events.splice(older, 1);
    this.#events.push(event);
  }

  /** Ends the queue. Events that came before are still given; then `error`, if there is one, is thrown once. */
  end(how: { readonly error?: unknown } = {}): void {
    if (this.#end) return;
    this.#end = how;
    this.#onEnd();
    const [first, ...others] = this.#waiting.splice(0);
    if (first) this.#settle(first);
    for (const waiting of others) waiting.resolve({ done: true, value: undefined });
  }

  next(): Promise<IteratorResult<CgroupEvent>> {
    const event = this.#events.shift();
    if (event) return Promise.resolve({ done: false, value: event });
    return new Promise((resolve, reject) => {
      if (this.#end) this.#settle({ resolve, reject });
      else this.#waiting.push({ resolve, reject });
    });
  }

  /** A `break` in a `for await` loop calls this. */
  return(): Promise<IteratorResult<CgroupEvent>> {
    this.end();
    this.#events.length = 0;
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #settle({ resolve, reject }: Waiting): void {
    const end = this.#end;
    this.#end = {};
    if (end && 'error' in end) reject(end.error);
    else resolve({ done: true, value: undefined });
  }
}

interface Waiting {
  resolve(result: IteratorResult<CgroupEvent>): void;
  reject(error: unknown): void;
}

/** So many events wait for a reader; then what tells of more waits too. */
const MOST_WAITING = 64;

/** Events for readers who each take them at their own pace: whoever tells of something waits while a reader has too much to read. */
export class EventFeed<T> {
  readonly #readers = new Set<Queue<T>>();
  #isOver = false;
  #waits = true;

  /** Tells all readers. @returns when all have room for more */
  async tell(event: T): Promise<void> {
    for (const reader of this.#readers) reader.events.push(event);
    this.#wake();
    for (const reader of this.#readers) while (this.#waits && reader.events.length >= MOST_WAITING) await reader.changed.wait();
  }

  /** Tells those readers who have room, and doesn't wait: for news that later news replace. */
  offer(event: T): void {
    for (const reader of this.#readers) if (reader.events.length < MOST_WAITING) reader.events.push(event);
    this.#wake();
  }

  /** From now on nobody waits for readers: what is told is near its end. */
  hurry(): void {
    this.#waits = false;
    this.#wake();
  }

  /** Readers come to their end when they have read all. */
  end(): void {
    this.#isOver = true;
    this.hurry();
  }

  /** What is told from the first call of `next` on. */
  async *read(): AsyncGenerator<T, void, undefined> {
    const queue: Queue<T> = { events: [], changed: new Signal() };
    this.#readers.add(queue);
    try {
      for (;;) {
        for (let event = queue.events.shift(); event !== undefined; event = queue.events.shift()) {
          queue.changed.raise();
          yield event;
        }
        if (this.#isOver) return;
        await queue.changed.wait();
      }
    } finally {
      this.#readers.delete(queue);
      queue.events.length = 0;
      queue.changed.raise();
    }
  }

  #wake(): void {
    for (const { changed } of this.#readers) changed.raise();
  }
}

interface Queue<T> {
  readonly events: T[];
  /** Events came, or were read. */
  readonly changed: Signal;
}

/** Wakes all who wait. */
class Signal {
  #waiting: (() => void)[] = [];

  wait(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  raise(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }
}

/** Whoever starts a task listens soon; whoever attaches to one may not listen at all. */
const MOST_EARLY = 256;

/** Events for one listener, with those that came before somebody listened. */
export class KeptEvents<T> {
  #listener: ((event: T) => void) | null = null;
  /** `null`: nobody is to hear of any. */
  #early: T[] | null = [];

  tell(event: T): void {
    if (this.#listener !== null) this.#listener(event);
    else if (this.#early !== null && this.#early.length < MOST_EARLY) this.#early.push(event);
  }

  /** @param listener `null`: nobody listens, now or later */
  hear(listener: ((event: T) => void) | null): void {
    this.#listener = listener;
    const early = this.#early ?? [];
    this.#early = null;
    if (listener !== null) for (const event of early) listener(event);
  }
}

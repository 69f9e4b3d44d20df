/**
 * What comes and goes, by number. A Map or a Set begins a new table whenever some have gone, and has the one before lead to it, with all that was in
 * that. Once V8 takes one of them for old, a collection of what is young keeps what is in any table after it: a third of all that runs leave behind. The
 * elements of an object lead to nothing that came later.
 */
export class Numbered<T> {
  readonly #items: Record<number, T> = Object.create(null);
  #last = 0;

  /** Takes the next number. */
  add(item: T): number {
    this.#last++;
    this.#items[this.#last] = item;
    return this.#last;
  }

  /** The caller's own numbers are never mixed with those of {@link add}. */
  set(number: number, item: T): void {
    this.#items[number] = item;
  }

  get(number: number): T | undefined {
    return this.#items[number];
  }

  delete(number: number): void {
    delete this.#items[number];
  }

  /** By number: the first that was added comes first. */
  values(): T[] {
    return Object.values(this.#items);
  }
}

/**
 * What comes and goes, by the caller's numbers. A Map that rehashes keeps its old table linked to the new one; when the old one is in V8's old generation, a
 * scavenge keeps all that the new one holds: a third of all that runs leave behind. The elements of an object link to nothing that came later.
 */
export class ByNumber<T> {
  readonly #items: Record<number, T> = Object.create(null);

  set(number: number, item: T): void {
    this.#items[number] = item;
  }

  get(number: number): T | undefined {
    return this.#items[number];
  }

  delete(number: number): void {
    delete this.#items[number];
  }

  /** By number. */
  values(): T[] {
    return Object.values(this.#items);
  }
}

/** The same for what has no number of its own. */
export class Numbered<T> {
  readonly #items = new ByNumber<T>();
  #last = 0;

  /** @returns the item's number, which no other has had */
  add(item: T): number {
    this.#last++;
    this.#items.set(this.#last, item);
    return this.#last;
  }

  delete(number: number): void {
    this.#items.delete(number);
  }

  /** The first that was added comes first. */
  values(): T[] {
    return this.#items.values();
  }
}

/** How many shapes are remembered: those of a program that alternates between a few. */
const MOST_SHAPES = 8;

interface Shape {
  /** Undoes what waits. */
  undo(): Promise<void>;
  /** Undoes what waits, and makes nothing at the ends of those that live. */
  forget(): Promise<void>;
}

/** The shapes that the newest containers have. */
export class NewestShapes<S extends Shape> {
  /** The newest first. */
  readonly #shapes: S[] = [];

  get newest(): S | undefined {
    return this.#shapes[0];
  }

  find(test: (shape: S) => boolean): S | undefined {
    return this.#shapes.find(test);
  }

  /** @returns the oldest, where there are too many: it is to be forgotten */
  putFirst(shape: S): S | undefined {
    if (shape === this.#shapes[0]) return undefined;
    this.remove(shape);
    this.#shapes.unshift(shape);
    return this.#shapes.length > MOST_SHAPES ? this.#shapes.pop() : undefined;
  }

  remove(shape: S): void {
    const at = this.#shapes.indexOf(shape);
    if (at >= 0) this.#shapes.splice(at, 1);
  }

  oldestFirst(): S[] {
    return [...this.#shapes].reverse();
  }

  /** Undoes all that waits. */
  async undo(): Promise<void> {
    await Promise.all(this.#shapes.map((shape) => shape.undo()));
  }

  /** Undoes all that waits, and forgets the shapes: two more containers of one are needed before another is made ahead. */
  async forget(): Promise<void> {
    await Promise.all(this.#shapes.splice(0).map((shape) => shape.forget()));
  }
}

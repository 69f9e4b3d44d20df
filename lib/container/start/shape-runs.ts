import { clearTimeout, setTimeout } from '../../native/clock.js';

/** How long what was made ahead is kept after a container's start or end, in ms. */
const KEPT = 1000;
/** The most that a container lives for another one to be made ahead beside it, in ms. */
const SHORT = 100;

/** The containers that one shape has had and has, by which it is guessed whether there will be more. */
export class ShapeRuns {
  #begun = 0;
  #live = 0;
  /** How long the newest one that has ended lived. */
  #livedMs = 0;
  #timer: NodeJS.Timeout | undefined;
  readonly #onPause: (isUnused: boolean) => void;

  /** @param onPause called when none has begun or ended for a while; `isUnused`: none lives either */
  constructor(onPause: (isUnused: boolean) => void) {
    this.#onPause = onPause;
  }

  get live(): number {
    return this.#live;
  }

  /** There have been two without a pause between them: another one is likely. */
  get areRepeated(): boolean {
    return this.#begun > 1;
  }

  get areShort(): boolean {
    return this.#livedMs <= SHORT;
  }

  began(): void {
    this.#begun++;
    this.#live++;
    this.keep();
  }

  /** What has begun did not become a container. */
  failed(): void {
    this.#live--;
    this.keep();
  }

  ended(livedMs: number): void {
    this.#live--;
    this.#livedMs = livedMs;
    this.keep();
  }

  /** What was made ahead is kept for a while from now on. */
  keep(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#paused(), KEPT).unref();
  }

  #paused(): void {
    const isUnused = this.#live === 0;
    if (isUnused) this.#begun = 0;
    this.#onPause(isUnused);
  }

  /** Two more are needed for another one to be likely. */
  forget(): void {
    clearTimeout(this.#timer);
    this.#begun = 0;
  }
}

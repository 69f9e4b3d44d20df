import type { Shim } from '../../native/shim.js';
import { discard, type FirstPart, type Prewarmed } from './first-part.js';
import { ShapeRuns } from './shape-runs.js';

type Starter = Pick<Shim, 'startLater'>;

/**
 * What is made ahead of the next containers of one shape. The process of the next one is made while that of the newest sets itself up, and
 * the groups of the one after when the newest has ended: that is when the shim has nothing else to do. Made at another time, a process holds up
 * others, for one that changes its root waits until each processor has left what it does in the kernel.
 */
export class PrewarmedShape {
  readonly shape: string;
  /** Its process waits, or is being made. */
  #ready: Prewarmed | null = null;
  /** Its groups are made, and no process. */
  #next: Prewarmed | null = null;
  readonly #runs: ShapeRuns;

  /** @param unused called when there has been no container of this shape for a while */
  constructor(shape: string, unused: () => void) {
    this.shape = shape;
    this.#runs = new ShapeRuns((isUnused) => {
      void this.undo();
      if (isUnused) unused();
    });
  }

  take(): Prewarmed | null {
    const taken = this.#ready;
    this.#ready = null;
    return taken === null || taken.beginning.over ? null : taken;
  }

  /** It was taken for a container that turned out to have another shape. */
  giveBack(taken: Prewarmed): void {
    if (this.#ready !== null || !this.#runs.areShort) return void discard(taken);
    this.#ready = taken;
    this.#runs.keep();
  }

  /** All of a container of this shape has been sent. `isShimFree`: the shim has nothing to do for it until its program runs. */
  hasSent(first: FirstPart, shim: Starter, isShimFree: boolean): void {
    this.#runs.began();
    // beside a longer one the process would wait for long
    if (isShimFree && this.#runs.areShort) this.#makeReady(first, shim);
  }

  /** What has been sent did not become a container. */
  hasFailed(): void {
    this.#runs.failed();
  }

  hasEnded(first: FirstPart, shim: Starter, livedMs: number): void {
    this.#runs.ended(livedMs);
    this.#makeReady(first, shim);
    if (this.#runs.areRepeated && this.#runs.areShort) this.#next ??= first.sendLater(shim);
  }

  #makeReady(first: FirstPart, shim: Starter): void {
    if (!this.#runs.areRepeated || this.#ready?.beginning.over === false) return;
    this.#ready = this.#next ?? first.sendLater(shim);
    this.#next = null;
    this.#ready?.beginning.go();
  }

  /** Undoes what waits. */
  async undo(): Promise<void> {
    const waiting = [this.#ready, this.#next];
    this.#ready = null;
    this.#next = null;
    await Promise.all(waiting.map(async (one) => one && discard(one)));
  }

  /** Undoes what waits, and makes nothing at the ends of those that live. */
  async forget(): Promise<void> {
    this.#runs.forget();
    await this.undo();
  }
}

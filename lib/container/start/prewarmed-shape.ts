import { clearTimeout, setTimeout } from '../../native/clock.js';
import type { Shim } from '../../native/shim.js';
import { discard, type FirstPart, type Prewarmed } from './first-part.js';

/** How long what was prewarmed is kept after a container's start or end, in ms. */
const KEPT = 1000;
/** The most that a container lives for the next one's process to be made meanwhile, in ms: beside a longer one the process would wait for long. */
const SHORT = 100;

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
  #sent = 0;
  #live = 0;
  /** How long the newest one that has ended lived. */
  #livedMs = 0;
  #timer: NodeJS.Timeout | undefined;
  readonly #unused: () => void;

  /** @param unused called when there has been no container of this shape for a while */
  constructor(shape: string, unused: () => void) {
    this.shape = shape;
    this.#unused = unused;
  }

  take(): Prewarmed | null {
    const taken = this.#ready;
    this.#ready = null;
    return taken === null || taken.beginning.over ? null : taken;
  }

  /** It was taken for a container that turned out to have another shape. */
  giveBack(taken: Prewarmed): void {
    if (this.#ready !== null || this.#livedMs > SHORT) return void discard(taken);
    this.#ready = taken;
    this.#keep();
  }

  /** All of a container of this shape has been sent. `isShimFree`: the shim has nothing to do for it until its program runs. */
  hasSent(first: FirstPart, shim: Starter, isShimFree: boolean): void {
    this.#sent++;
    this.#live++;
    if (isShimFree && this.#livedMs <= SHORT) this.#makeReady(first, shim);
    this.#keep();
  }

  /** What has been sent did not become a container. */
  hasFailed(): void {
    this.#live--;
  }

  hasEnded(first: FirstPart, shim: Starter, livedMs: number): void {
    this.#live--;
    this.#livedMs = livedMs;
    this.#makeReady(first, shim);
    if (this.#isLikely && livedMs <= SHORT) this.#next ??= first.sendLater(shim);
    this.#keep();
  }

  /** Whether another one is likely: there have been two. */
  get #isLikely(): boolean {
    return this.#sent > 1;
  }

  #makeReady(first: FirstPart, shim: Starter): void {
    if (!this.#isLikely || this.#ready?.beginning.over === false) return;
    this.#ready = this.#next ?? first.sendLater(shim);
    this.#next = null;
    this.#ready?.beginning.go();
  }

  #keep(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      void this.undo();
      if (this.#live === 0) this.#unused();
    }, KEPT).unref();
  }

  /** Undoes what waits. */
  async undo(): Promise<void> {
    clearTimeout(this.#timer);
    const waiting = [this.#ready, this.#next];
    this.#ready = null;
    this.#next = null;
    await Promise.all(waiting.map(async (one) => one && discard(one)));
  }

  /** Undoes what waits, and makes nothing at the ends of those that live. */
  async forget(): Promise<void> {
    this.#sent = 0;
    await this.undo();
  }
}

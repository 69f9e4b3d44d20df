import { monotonicMs } from '../../native/clock.js';
import type { Shim } from '../../native/shim.js';
import type { Task } from '../../native/task.js';
import { discard, type FirstPart, type Prewarmed } from './first-part.js';
import { NewestShapes } from './newest-shapes.js';
import { PrewarmedShape } from './prewarmed-shape.js';

interface SentContainer {
  /** `ParsedOptions.alike` */
  readonly alike: object;
  readonly starting: Promise<Pick<Task, 'emptied'>>;
  readonly shim: Pick<Shim, 'startLater'>;
  readonly isShimFree: boolean;
}

/**
 * Makes the first parts of the next containers before these are asked for: namespaces, groups, /proc, /dev and the like, which are the same for
 * every container of a shape and take the kernel longer than all the rest. The second container of a shape within a second begins that. What no
 * container takes within a second is undone, and the shape forgotten.
 */
export class Prewarm {
  readonly #shapes = new NewestShapes<PrewarmedShape>();
  /** The shape that the last container of such options had. */
  readonly #ofOptions = new WeakMap<object, PrewarmedShape>();

  /**
   * Gives the prewarmed part that is likely to fit to the caller alone: which does, is known when the container is planned, and it is planned under a
   * name that the prewarmed part has already.
   *
   * @param alike `ParsedOptions.alike`
   */
  take(alike: object): Prewarmed | null {
    return (this.#ofOptions.get(alike) ?? this.#shapes.newest)?.take() ?? null;
  }

  /** Gives one that fits but for the name. */
  takeFor({ shape }: FirstPart): Prewarmed | null {
    return this.#find(shape)?.take() ?? null;
  }

  giveBack(taken: Prewarmed): void {
    const known = this.#find(taken.shape);
    if (known === undefined) void discard(taken);
    else known.giveBack(taken);
  }

  /**
   * To be called when all of a container has been sent.
   *
   * @param starting resolves when its program runs; whoever waits for the container gets its failure
   * @param isShimFree the shim has nothing to do for it until its program runs: else its process would wait while the shim makes the next one
   */
  hasSent(first: FirstPart, { alike, starting, shim, isShimFree }: SentContainer): void {
    const shape = this.#find(first.shape) ?? new PrewarmedShape(first.shape, () => this.#shapes.remove(shape));
    void this.#shapes.putFirst(shape)?.forget();
    this.#ofOptions.set(alike, shape);
    const sent = monotonicMs();
    shape.hasSent(first, shim, isShimFree);
    const hasEnded = (): void => shape.hasEnded(first, shim, monotonicMs() - sent);
    starting.then(
      ({ emptied }) => void emptied.then(hasEnded, hasEnded),
      () => shape.hasFailed(),
    );
  }

  #find(shape: string): PrewarmedShape | undefined {
    return this.#shapes.find((one) => one.shape === shape);
  }

  /** Undoes all that waits. */
  undo(): Promise<void> {
    return this.#shapes.undo();
  }

  /** Undoes all that waits, and forgets the shapes. */
  forget(): Promise<void> {
    return this.#shapes.forget();
  }
}

/** The prewarming of this environment (main thread or Worker). */
export const prewarm = new Prewarm();

import { clearTimeout, setTimeout } from '../../native/clock.js';
import { encodePlan } from '../../native/encode.js';
import type { Shim } from '../../native/shim.js';
import type { Beginning } from '../../native/task.js';
import { withTrace } from '../../native/trace.js';
import { newId } from '../../plan/id.js';
import type { Descriptors, Plan } from '../../plan/plan.js';

/** A container's first part that was sent before the container was asked for: it waits in the shim, or is under way. */
export interface Prewarmed {
  readonly id: string;
  readonly body: string;
  readonly beginning: Beginning;
}

/** How long a prewarmed part is kept after a container's end, in ms. */
const KEPT = 1000;

const none: Descriptors = new Map();

/** The first part of a container of that name, and its bytes. */
export class FirstPart {
  readonly id: string;
  readonly plan: Plan;
  readonly body: string;

  constructor(id: string, plan: Plan) {
    this.id = id;
    this.plan = withTrace(plan);
    this.body = Buffer.from(encodePlan(this.plan, none)).toString('latin1');
  }
}

/** Whether the prewarmed part is the same bytes that `first` would send. */
export function fits({ beginning, body }: Prewarmed, first: FirstPart | null): boolean {
  return first !== null && !beginning.over && body === first.body;
}

/** Undoes a prewarmed part that nobody needs. What could not be undone stays in the journal, for the next reap. */
export async function discard({ beginning }: Prewarmed): Promise<void> {
  await Promise.allSettled([beginning.close()]);
}

/**
 * Makes the next container's first part before that container is asked for: namespaces, groups, /proc, /dev and the like, which are the
 * same for every container of a shape and take the kernel longer than all the rest. The first part is sent when two containers in a row had
 * one shape. It begins when one of them has ended, while its result is made here, or when the next container is asked for, and not before: the
 * shim does one thing after the other, and would else tell of that end late. It is undone when no container comes soon.
 */
export class Prewarm {
  #waiting: Prewarmed | null = null;
  #timer: NodeJS.Timeout | undefined;
  /** The first part of the newest container as it travels, without the container's name. */
  #shape: string | null = null;

  /** Gives the prewarmed part, if there is one, to the caller alone. */
  take(): Prewarmed | null {
    const taken = this.#waiting;
    this.#waiting = null;
    clearTimeout(this.#timer);
    return taken === null || taken.beginning.over ? null : taken;
  }

  /** To be called when a container has begun: sends the next one's first part if that is likely to be the same as this one's. */
  hasBegun(first: FirstPart, ended: Promise<unknown>, shim: Pick<Shim, 'startLater'>): void {
    // those who wait for the container get its failure
    const hasEnded = (): void => this.#hasEnded();
    ended.then(hasEnded, hasEnded);
    const before = this.#shape;
    this.#shape = first.body.replaceAll(first.id, '');
    if (before !== this.#shape || this.#waiting !== null) return;
    const id = newId();
    const body = first.body.replaceAll(first.id, id);
    try {
      this.#waiting = { id, body, beginning: shim.startLater(first.plan, Buffer.from(body, 'latin1')) };
    } catch {
      // the container that has begun is not affected; the next one is made without prewarming, and gets the failure itself if there is one
    }
  }

  #hasEnded(): void {
    clearTimeout(this.#timer);
    if (this.#waiting === null) return;
    this.#waiting.beginning.go();
    this.#timer = setTimeout(() => void this.forget(), KEPT).unref();
  }

  /** Undoes the prewarmed part, if there is one. */
  async undo(): Promise<void> {
    const taken = this.take();
    if (taken !== null) await discard(taken);
  }

  /** Undoes the prewarmed part, if there is one, and forgets the last shape: two more containers are needed for the next one. */
  async forget(): Promise<void> {
    this.#shape = null;
    await this.undo();
  }
}

/** The prewarming of this environment (main thread or Worker). */
export const prewarm = new Prewarm();

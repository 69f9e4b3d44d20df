import { oneOf, toError } from '../../errors.js';
import type { Slots } from '../../plan/plan.js';
import type { Slot, Step } from '../../plan/steps.js';
import type { HeldBorder } from '../rules/held-rules.js';

/** Something that a container has of its networks: a bridge that is kept, a lease, rules, names. */
export interface Part {
  /** Host steps of the container's task, and those that undo them. */
  steps?(slots: Slots): TaskSteps;
  /** Where the container's own task holds the border of its port; after `steps`. */
  border?(): HeldBorder | null;
  /** What was begun for the part, and must be done before the container's task has the steps. */
  ready?(): Promise<unknown>;
  /** Notes where others find what the container's task has; after that has begun with the steps. */
  note?(): Promise<void>;
  /** Lets go what no task has. `isHandedOver`: a task has, or had, the steps. */
  release?(isHandedOver: boolean): void;
}

export interface TaskSteps {
  readonly prepare: readonly Step[];
  readonly undo: readonly Step[];
  /** Slots with descriptors that were given with the plan, and that the task keeps; Node gets copies of them. */
  readonly returns?: readonly Slot[];
}

/** The parts of one container: what comes first goes last. */
export class Parts {
  readonly #parts: Part[] = [];
  /** How many were released. Their steps may be asked for later, for the words of what failed. */
  #released = 0;

  /** @returns the part */
  add<P extends Part>(part: P): P {
    this.#parts.push(part);
    return part;
  }

  steps(slots: Slots): Required<TaskSteps> {
    const all = this.#parts.flatMap((part) => part.steps?.(slots) ?? []);
    return {
      prepare: all.flatMap(({ prepare }) => prepare),
      undo: all.toReversed().flatMap(({ undo }) => undo),
      returns: all.flatMap(({ returns }) => returns ?? []),
    };
  }

  /** Of a container with a task of its own, after `steps`. */
  border(): HeldBorder | null {
    for (const part of this.#parts) {
      const border = part.border?.() ?? null;
      if (border !== null) return border;
    }
    return null;
  }

  /** Waits for what was begun. @throws what it has failed with */
  async ready(): Promise<void> {
    for (const part of this.#parts) await part.ready?.();
  }

  /** Of a container with a task of its own, which has begun with the steps. @throws SyscallError */
  async note(): Promise<void> {
    for (const part of this.#parts) await part.note?.();
  }

  /** Releases each part, also when one before it failed; those that were released once are no more. @throws the first failure */
  release(isHandedOver: boolean): void {
    const left = this.#parts.slice(this.#released).reverse();
    this.#released = this.#parts.length;
    releaseAll(left, isHandedOver);
  }
}

/** Releases each part, in this order, also when one before it failed. @throws the first failure */
export function releaseAll(parts: readonly Part[], isHandedOver: boolean): void {
  const failures: Error[] = [];
  for (const part of parts) {
    try {
      part.release?.(isHandedOver);
    } catch (error) {
      failures.push(toError(error));
    }
  }
  const failure = oneOf(failures);
  if (failure) throw failure;
}

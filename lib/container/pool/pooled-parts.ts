import type { Parked } from '../../native/shim-pool.js';
import type { PooledPlan } from '../plan/pool-plan.js';
import type { Prepared } from '../start/prepare.js';
import type { RestShapes } from './rest-shapes.js';
import type { ShownRoot } from './shown-root.js';

/** How many characters of a container's id its host name has, by which the shim tells its containers apart. */
export const NAMED = 12;

/** A container that is a run's from now on. */
export interface Taken {
  readonly parked: Parked;
  /** What it was planned with; of one that the shim has named, under another name. */
  readonly of: Prepared;
  readonly plan: PooledPlan;
  /** The rests of the runs before, where those differ in the name alone. */
  readonly shapes: RestShapes;
  /** To be called once, when the container is gone. */
  release(): void;
}

/** The containers of a pool that wait in the shim, by how they were planned. */
export interface PooledParts {
  /** What one of them was planned with: all but names, addresses and ids is the same for each. */
  readonly sample: Prepared;
  /** Its root, as it was before the first was begun; `null`: nobody changes that. */
  readonly root: ShownRoot | null;
  readonly ready: number;
  /** There will never be another. */
  readonly isOver: boolean;
  /** Resolves when all wait. @throws why one could not be made */
  readonly begun: Promise<void>;
  /** `null`: none waits. */
  take(): Taken | null;
  /** Undoes those that wait, and resolves when the mounts are gone too of all that has ended when `runs` has. To be called once. @throws what could not be undone */
  close(runs?: Promise<unknown>): Promise<void>;
}

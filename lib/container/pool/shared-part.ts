import type { Shim } from '../../native/shim.js';
import type { Parked, ShimPool } from '../../native/shim-pool.js';
import { newId } from '../../plan/id.js';
import type { ParsedOptions } from '../options/container-options.js';
import { planHead } from '../plan/container-plan.js';
import { type PooledPlan, planPooled } from '../plan/pool-plan.js';
import { type Prepared, prepare } from '../start/prepare.js';
import { NAMED, type PooledParts, type Taken } from './pooled-parts.js';
import { requirePoolable } from './require-poolable.js';
import { RestShapes } from './rest-shapes.js';
import { ShownRoot } from './shown-root.js';

/**
 * Containers that differ in their names alone: planned and encoded once, and named by the shim. The layers and volumes below them stay until the last has
 * gone.
 */
export class SharedPart implements PooledParts {
  readonly sample: Prepared;
  readonly root: ShownRoot | null;
  readonly #plan: PooledPlan;
  readonly #pool: ShimPool;
  readonly #shapes = new RestShapes();
  #users = 1;

  private constructor(of: { sample: Prepared; root: ShownRoot | null; plan: PooledPlan; pool: ShimPool }) {
    this.sample = of.sample;
    this.root = of.root;
    this.#plan = of.plan;
    this.#pool = of.pool;
  }

  /** @throws as `Container.run` */
  static async begin(options: ParsedOptions, { count, shim }: { readonly count: number; readonly shim: Shim }): Promise<SharedPart> {
    const id = newId();
    // an address is of one container: who takes one joins its networks
    const joinsLater = options.networks.length > 0;
    const prepared = await prepare(options, { id, park: false, shim, joinsLater });
    try {
      requirePoolable(prepared);
      const plan = planPooled(planHead(prepared), { ...prepared, park: false }, { joinsLater });
      const all = { first: plan.first, name: id.slice(0, NAMED) };
      // what changes after this is another then, also while the first is begun
      const root = ShownRoot.of(prepared);
      return new SharedPart({ sample: prepared, root, plan, pool: shim.startPool({ all, count }, prepared.slots.descriptors) });
    } catch (error) {
      prepared.release();
      throw error;
    }
  }

  get ready(): number {
    return this.#pool.ready;
  }

  get isOver(): boolean {
    return this.#pool.isOver;
  }

  get begun(): Promise<void> {
    return this.#pool.begun;
  }

  /** One could not be made, or has died while it waited, and the shim begins none any more until {@link take} has it try again. */
  get hasFailed(): boolean {
    return this.#pool.hasFailed;
  }

  take(): Taken | null {
    return this.#taken(this.#pool.take());
  }

  /** The same; where none waits, but one is being made, it waits for that. */
  async takeNext(cancelSignal: AbortSignal | null, how?: { readonly keepsAlive: boolean }): Promise<Taken | null> {
    return this.#taken(await this.#pool.takeNext(cancelSignal, how));
  }

  /** Keeps the event loop alive until that has settled. */
  during<T>(work: Promise<T>): Promise<T> {
    return this.#pool.during(work);
  }

  /** How many are to wait from now on. */
  want(count: number): void {
    this.#pool.want(count);
  }

  #taken(parked: Parked | null): Taken | null {
    if (parked === null) return null;
    this.#users++;
    return { parked, of: this.sample, plan: this.#plan, shapes: this.#shapes, release: () => this.#release() };
  }

  close(runs?: Promise<unknown>): Promise<void> {
    return this.#pool.close(runs).finally(() => this.#release());
  }

  #release(): void {
    if (--this.#users === 0) this.sample.release();
  }
}

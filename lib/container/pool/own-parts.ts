import { oneOf, toError } from '../../errors.js';
import { dropRecord } from '../../host/recorded.js';
import { nextTurn } from '../../native/clock.js';
import type { Shim } from '../../native/shim.js';
import type { ShimPool } from '../../native/shim-pool.js';
import { newId } from '../../plan/id.js';
import type { ParsedOptions } from '../options/container-options.js';
import { planHead } from '../plan/container-plan.js';
import { type PooledPlan, planPooled } from '../plan/pool-plan.js';
import { type Claim, claimOf } from '../start/container-users.js';
import { withNetwork } from '../start/joined-network.js';
import { type Prepared, prepare } from '../start/prepare.js';
import { NAMED, type PooledParts, type Taken } from './pooled-parts.js';
import { requirePoolable } from './require-poolable.js';
import { RestShapes } from './rest-shapes.js';
import { ShownRoot } from './shown-root.js';

/** The most that lie in the shim beside those that wait: each has addresses and ids that nobody else can have meanwhile. */
const MOST_AHEAD = 8;

/** Whether containers with these options have something each for itself: ids, addresses, a place in another container's network. */
export function haveTheirOwn({ userns, networks, networkOf }: ParsedOptions): boolean {
  return userns !== 'host' || networks.length > 0 || networkOf !== null;
}

/** One container: what it was planned with, and has for itself alone. */
interface OwnPart {
  readonly prepared: Prepared;
  readonly plan: PooledPlan;
  readonly claim: Claim;
}

/**
 * Containers that each have something for themselves, and are therefore planned each for itself. Some more are planned than wait, and lie in the
 * shim: so it begins another one for each that is taken, whatever this process is at.
 */
export class OwnParts implements PooledParts {
  readonly #options: ParsedOptions;
  readonly #count: number;
  readonly #shim: Shim;
  readonly #pool: ShimPool;
  /** Those that are in the shim, and nobody's yet, by their names. */
  readonly #left = new Map<string, OwnPart>();
  readonly #failures: Error[] = [];
  #sample: Prepared | null = null;
  #root: ShownRoot | null = null;
  #filling: Promise<void> | null = null;
  #isClosed = false;

  private constructor(options: ParsedOptions, { count, shim }: { readonly count: number; readonly shim: Shim }) {
    this.#options = options;
    this.#count = count;
    this.#shim = shim;
    const onSpent = (name: string, hasBegun: boolean): void => this.#spent(name, hasBegun);
    const onFailed = (isUnread: boolean): void => this.#failed(isUnread);
    this.#pool = shim.startPool({ all: null, count, onSpent, onFailed }, new Map());
  }

  /** @throws as `Container.run` */
  static async begin(options: ParsedOptions, of: { readonly count: number; readonly shim: Shim }): Promise<OwnParts> {
    const parts = new OwnParts(options, of);
    try {
      await parts.#fillUpTo(of.count);
      // rejects with why none could be sent
      if (parts.#sample === null) await parts.#pool.begun;
    } catch (error) {
      await Promise.allSettled([parts.close()]);
      throw error;
    }
    parts.#pool.whenBegun(() => parts.#fill());
    return parts;
  }

  get sample(): Prepared {
    if (this.#sample === null) throw new TypeError('none has been planned');
    return this.#sample;
  }

  get root(): ShownRoot | null {
    return this.#root;
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

  take(): Taken | null {
    const parked = this.#pool.take();
    const part = parked === null ? undefined : this.#left.get(parked.name);
    if (parked !== null) this.#left.delete(parked.name);
    // the others are planned when the run has ended, which is then not held up by that
    if (this.#left.size < this.#count) this.#fill();
    if (parked === null) return null;
    // the end of one that was killed is told before that it is spent: it waits no more then
    if (part === undefined) throw new TypeError(`the container ${parked.name} was not planned here`);
    const release = (): void => {
      this.#handOver(part);
      this.#fill();
    };
    return { parked, of: part.prepared, plan: part.plan, shapes: new RestShapes(), release };
  }

  async close(runs?: Promise<unknown>): Promise<void> {
    this.#isClosed = true;
    await this.#filling;
    try {
      await this.#pool.close(runs);
    } finally {
      // where the shim has died, whether it had begun them is not known, and what is left is told by their records; else it could not read them
      for (const part of this.#left.values()) this.#pool.isLost ? this.#handOver(part) : this.#takeBack(part);
      this.#left.clear();
    }
    const failure = oneOf(this.#failures);
    if (failure) throw failure;
  }

  /** Plans those that are missing. What fails is told to the runs, which have containers of their own then; the next of them tries again. */
  #fill(): void {
    if (this.#filling !== null || this.#isClosed || this.isOver) return;
    const filled = (): void => {
      this.#filling = null;
    };
    const ahead = this.#isInTurn ? 0 : Math.min(this.#count, MOST_AHEAD);
    this.#filling = this.#fillUpTo(this.#count + ahead).then(filled, filled);
  }

  /**
   * Whether each is begun before the next one is planned: in the network of another container, in that container's turn, as what it may see there is
   * planned by what that container has.
   */
  get #isInTurn(): boolean {
    return this.#options.networkOf !== null;
  }

  /** What the shim can't have it says: then no other is sent in its place. */
  async #fillUpTo(count: number): Promise<void> {
    while (this.#left.size < count && !this.#isClosed && !this.#pool.hasFailed) {
      await withNetwork(this.#options, (joined) => this.#add(joined));
      await nextTurn();
    }
  }

  /**
   * The shim begins none any more. Those in the network of another container must not begin later, out of its turn, so all go, and others are made. So they
   * do where nobody can tell which one the shim has not.
   */
  #failed(isUnread: boolean): void {
    if (this.#isInTurn || isUnread) void this.#pool.close().catch((error: unknown) => this.#failures.push(toError(error)));
  }

  async #add(options: ParsedOptions): Promise<void> {
    const part = await plan(options, this.#shim);
    const { prepared, plan: pooled } = part;
    const name = prepared.id.slice(0, NAMED);
    try {
      await prepared.networks.ready();
      if (this.#sample === null) this.#root = ShownRoot.of(prepared);
      const settled = this.#pool.add({ name, first: pooled.first }, prepared.slots.descriptors);
      this.#left.set(name, part);
      this.#sample ??= prepared;
      if (this.#isInTurn) await settled;
    } catch (error) {
      this.#takeBack(part);
      if (this.#isClosed) return;
      throw error;
    }
  }

  #spent(name: string, hasBegun: boolean): void {
    const part = this.#left.get(name);
    if (part === undefined) return;
    this.#left.delete(name);
    if (hasBegun) this.#handOver(part);
    else this.#takeBack(part);
  }

  /** What was taken for it is its task's: undone by that, or by whoever reaps. */
  #handOver({ prepared }: OwnPart): void {
    this.#noting(() => {
      prepared.networks.handOver();
      prepared.release();
    });
  }

  /** No task has had what was taken for it. */
  #takeBack({ prepared, claim }: OwnPart): void {
    this.#noting(() => {
      dropRecord(claim.undone);
      prepared.release();
    });
  }

  #noting(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#failures.push(toError(error));
    }
  }
}

async function plan(options: ParsedOptions, shim: Shim): Promise<OwnPart> {
  const prepared = await prepare(options, { id: newId(), park: false, shim });
  let claim: Claim = { made: [], undone: [] };
  try {
    requirePoolable(prepared);
    const head = planHead(prepared);
    claim = claimOf(prepared.lease, prepared.id, shim);
    const { group } = prepared;
    const own = { ...prepared, group: { ...group, prepare: [...claim.made, ...group.prepare], undo: [...group.undo, ...claim.undone] } };
    return { prepared: own, plan: planPooled(head, { ...own, park: false }), claim };
  } catch (error) {
    dropRecord(claim.undone);
    prepared.release();
    throw error;
  }
}

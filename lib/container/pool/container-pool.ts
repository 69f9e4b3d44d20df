import { NacelleError, oneOf, toError } from '../../errors.js';
import { asyncDispose } from '../../native/async-dispose.js';
import { Numbered } from '../../native/numbered.js';
import { beginTrace } from '../../native/trace.js';
import { parseOptions } from '../../options/parse-options.js';
import { execute, type Running, refuse } from '../../process/execute.js';
import type { Encoding, Execution } from '../../process/options/process-types.js';
import type { Program } from '../../process/program.js';
import { type ParsedOptions, parseRunOptions } from '../options/container-options.js';
import type { ContainerOptions, RunOptions } from '../options/container-types.js';
import type { Parts } from '../start/launch.js';
import { launchIsolated } from '../start/launch-isolated.js';
import { launchPooled } from './launch-pooled.js';
import { ParkedContainers } from './parked-containers.js';
import { copyOfOptions, type PoolOptions, parsePooled, type RUN_NAMES, runOptionsOf } from './pool-options.js';
import { poolSchema } from './pool-schema.js';

/** What may be another in each run of a pool. What is not given is as the pool's options say. */
export type PoolRunOptions<E extends Encoding = 'utf8'> = Pick<RunOptions<E>, (typeof RUN_NAMES)[number]>;

const DEFAULT_READY = 2;

/** Makes a handle of what runs. */
type Begin = <E extends Encoding>(program: Program<E>, parts: Parts<E>) => Running<E>;

/**
 * Containers of one shape that are made before their programs are known: planned and encoded once, or each for itself where it has ids or addresses of its
 * own, and parked with their mounts attached, their root pivoted into and the kernel's paths masked. The options are copied: plain objects, arrays and bytes of the caller's may
 * change later. A run has only what is its own still to come, and each container is used once.
 * This process's supervisor begins another for each that is taken. An idle pool costs no processor time, and does not keep Node alive.
 */
export class ContainerPool<E extends Encoding = 'utf8'> implements AsyncDisposable {
  readonly #options: object;
  readonly #parsed: ParsedOptions;
  readonly #count: number;
  readonly #begin: Begin;
  /** `null` while they are to be begun anew. */
  #parked: ParkedContainers | null;
  /** Those of before a change of the host, which are being undone. */
  readonly #discarded = new Set<Promise<void>>();
  readonly #runs = new Numbered<Promise<unknown>>();
  #renewing: Promise<void> | null = null;
  #closed: Promise<void> | null = null;
  readonly #failures: Error[] = [];

  private constructor(of: { options: object; parsed: ParsedOptions; count: number; parked: ParkedContainers; begin: Begin }) {
    this.#options = of.options;
    this.#parsed = of.parsed;
    this.#count = of.count;
    this.#parked = of.parked;
    this.#begin = of.begin;
  }

  /** @internal */
  static async open<E extends Encoding>(options: ContainerOptions<E>, pool: PoolOptions, begin: Begin): Promise<ContainerPool<E>> {
    const { ready: count = DEFAULT_READY } = parseOptions(poolSchema, pool, 'pool');
    // whoever changes them later would change some runs: those that have containers of their own
    const own = copyOfOptions(options);
    const parsed = parsePooled(own);
    const parked = await ParkedContainers.begin(parsed, count);
    try {
      await parked.begun;
    } catch (error) {
      await Promise.allSettled([parked.close()]);
      throw error;
    }
    return new ContainerPool<E>({ options: own, parsed, count, parked, begin });
  }

  /** How many containers wait for a run now. */
  get ready(): number {
    return this.#closed === null ? (this.#parked?.ready ?? 0) : 0;
  }

  /**
   * As `Container.run` with the options of the pool, in a container that waits. Options that are given take the place of the pool's: `env` as
   * a whole. Where none waits, as in a burst, the run has a container made for it at once, and so has one that a waiting container can't have:
   * with a file of this machine in `copyIn` or as `stdin`, with `copyIn` below what is masked or read-only, with `ports`, or with a `cpuTimeLimit` where
   * no group counts processor time.
   *
   * @throws as `Container.run`; NacelleError `ERR_INVALID_OPTION` for an option that is the pool's; `ERR_STATE` when the pool is closed
   */
  run<F extends Encoding = E>(options: PoolRunOptions<F> = {}): Execution<F> {
    try {
      if (this.#closed !== null) throw new NacelleError('run in the pool: it is closed', { code: 'ERR_STATE' });
      const trace = beginTrace('ContainerPool.run');
      const parsed = parseRunOptions(runOptionsOf(this.#options, options));
      trace?.did('check the options');
      const { process, entrypoint, command } = parsed;
      const start = (program: Program<F>): Promise<Running<F>> => {
        const launched = this.#launch(program, parsed);
        const running = launched.then((parts) => this.#begin(program, parts));
        this.#note(running, launched);
        return running;
      };
      return execute<F>(process, [...(entrypoint ?? []), ...(command ?? [])], start, trace);
    } catch (error) {
      return refuse<F>(error);
    }
  }

  /** A run that has begun is waited for by whoever closes the pool; what comes of it is told to whoever has asked for it. */
  #note<F extends Encoding>(running: Promise<Running<F>>, launched: Promise<Parts<F>>): void {
    const over = [running.then((one) => one.wait()), launched.then(({ held }) => held.task.ended)];
    const ended = Promise.allSettled(over).then(() => this.#runs.delete(number));
    const number = this.#runs.add(ended);
  }

  async #launch<F extends Encoding>(program: Program<F>, parsed: ParsedOptions): Promise<Parts<F>> {
    const parked = await this.#current();
    const container = parked?.take(parsed) ?? null;
    return container === null ? launchIsolated(program, parsed, { park: false }) : launchPooled(program, container);
  }

  /** Those that show the host as it is. `null`: there are none, and others are begun if they can be. */
  async #current(): Promise<ParkedContainers | null> {
    const parked = this.#parked;
    if (parked !== null && (await parked.isCurrent())) return parked;
    // another run may have found that out meanwhile
    if (parked === this.#parked) this.#renew();
    return null;
  }

  /** Discards the containers that show the host as it was, and begins others. Until these are there, runs have containers of their own. */
  #renew(): void {
    if (this.#renewing !== null || this.#closed !== null) return;
    const before = this.#parked;
    this.#parked = null;
    if (before !== null) this.#discard(before);
    this.#renewing = ParkedContainers.begin(this.#parsed, this.#count).then(
      (parked) => {
        this.#parked = parked;
        this.#renewing = null;
      },
      () => {
        // runs have containers of their own, and get the failure themselves if there is one; the next of them tries again
        this.#renewing = null;
      },
    );
  }

  #discard(parked: ParkedContainers, runs?: Promise<unknown>): void {
    const discarded = parked.close(runs).catch((error: unknown) => void this.#failures.push(toError(error)));
    this.#discarded.add(discarded);
    void discarded.then(() => this.#discarded.delete(discarded));
  }

  /**
   * Ends the pool. The containers that wait are undone; runs that have begun go on to their end, which is waited for, and so are their mounts. Whoever
   * wants them to end at once gives them a `cancelSignal`. Idempotent.
   *
   * @throws what could not be undone
   */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    await this.#renewing;
    const runs = Promise.all(this.#runs.values());
    if (this.#parked !== null) this.#discard(this.#parked, runs);
    await Promise.all([...this.#discarded, runs]);
    const failure = oneOf(this.#failures);
    if (failure) throw failure;
  }

  [asyncDispose](): Promise<void> {
    return this.close();
  }
}

import { monotonicMs } from '../../native/clock.js';
import type { Task } from '../../native/task.js';
import type { ParsedOptions } from '../options/container-options.js';
import { ShapeRuns } from '../start/shape-runs.js';
import { haveOneShape, withoutRun } from './parkable.js';
import type { ParkedContainer } from './parked-container.js';
import { SharedContainers } from './parked-containers.js';

/**
 * The most of one shape that wait. One does for runs with pauses; of runs that follow at once each would wait for the one that is being made. Measured
 * with two processors, as {@link CROWD}.
 */
const MOST_OF_SHAPE = 4;
/** More runs than these at once keep two processors busy: what would be made for the next ones beside them would only come before them. */
const CROWD = 2;
/** So often containers are parked that no run takes, until that is given up. */
const MOST_IN_VAIN = 2;

/** What {@link ParkedShape} needs of containers that wait. */
export type Waiting = Pick<
  SharedContainers,
  'ready' | 'hasFailed' | 'isWatched' | 'isCurrent' | 'want' | 'take' | 'takeNext' | 'joinAhead' | 'linkAhead' | 'close'
>;

/** Has the shim begin so many containers. */
export type Begin = (options: ParsedOptions, count: number) => Promise<Waiting>;

export interface ShapeHooks {
  /** There has been no run of this shape for a while. */
  onUnused(shape: ParkedShape): void;
  /** More are wanted of this shape: others may have to go. */
  onMore(shape: ParkedShape): void;
}

/** The runs of one shape, and the containers that are parked for them. */
export class ParkedShape {
  readonly #options: ParsedOptions;
  readonly #folder: string;
  readonly #hooks: ShapeHooks;
  readonly #begins: Begin;
  readonly #runs: ShapeRuns;
  #parked: Waiting | null = null;
  #beginning: Promise<void> | null = null;
  readonly #closing = new Set<Promise<void>>();
  /** Of runs that may have taken one: to the shim such a container waits until the run's plan is there. */
  readonly #launching = new Set<Promise<void>>();
  #count = 1;
  #inVain = 0;

  /** @param folder the folder that relative paths are of */
  constructor(options: ParsedOptions, folder: string, hooks: ShapeHooks, begins: Begin = SharedContainers.begin) {
    this.#options = withoutRun(options);
    this.#folder = folder;
    this.#hooks = hooks;
    this.#begins = begins;
    this.#runs = new ShapeRuns((isUnused) => {
      void this.undo();
      if (isUnused) hooks.onUnused(this);
    });
  }

  isOf(options: ParsedOptions, folder: string): boolean {
    return this.#folder === folder && haveOneShape(this.#options, options);
  }

  /** Whether the next runs get what is parked: then nothing else is made ahead for them. */
  get isServed(): boolean {
    return this.isLikely && this.#runs.live <= CROWD;
  }

  /** Whether another run is likely, and as short as those before. */
  get isLikely(): boolean {
    return this.#runs.areRepeated && this.#runs.areShort && this.#inVain < MOST_IN_VAIN;
  }

  /** How many wait, or are to. */
  get wanted(): number {
    return this.#parked === null && this.#beginning === null ? 0 : this.#count;
  }

  began(): void {
    this.#runs.began();
  }

  /** A run takes a container, which nobody undoes until this resolves. */
  launching(launched: Promise<void>): void {
    this.#launching.add(launched);
    void launched.then(() => this.#launching.delete(launched));
  }

  /** What has begun did not become a container. */
  failed(): void {
    this.#runs.failed();
  }

  /** The container of a run is there. */
  started({ emptied }: Pick<Task, 'emptied'>): void {
    const began = monotonicMs();
    const ended = (): void => {
      this.#ended(monotonicMs() - began);
      // another one that lives may be followed at once, and would not wait
      if (this.#runs.live === 0) this.#parked?.linkAhead();
    };
    void emptied.then(ended, ended);
  }

  #ended(livedMs: number): void {
    this.#runs.ended(livedMs);
    if (!this.isLikely) this.#discard(this.#parked);
    else if (this.#runs.live < CROWD) this.#begin();
  }

  /** One that is as a container would be that is made now. A single run waits for one that is being made; `null`: there is none for this run. */
  async take(options: ParsedOptions): Promise<ParkedContainer | null> {
    if (this.#runs.live === 1) await this.#beginning;
    const parked = this.#parked;
    if (parked === null) return null;
    try {
      const taken = await this.#takeOf(parked, options);
      if (taken !== null) this.#inVain = 0;
      return taken;
    } catch {
      // the run is made without, and gets the failure itself if there is one
      this.#discard(parked);
      return null;
    }
  }

  async #takeOf(parked: Waiting, options: ParsedOptions): Promise<ParkedContainer | null> {
    if (this.#isCrowded) parked.want(0);
    if (this.#isCrowded && parked.ready === 0) return null;
    const isCurrent = !parked.hasFailed && (await parked.isCurrent());
    // another run may have found that out meanwhile, and nobody would use what one takes that was cancelled
    if (this.#parked !== parked || options.process.cancelSignal?.aborted) return null;
    if (!isCurrent) {
      this.#discard(parked);
      return null;
    }
    if (this.#isCrowded) {
      parked.want(0);
      return parked.take(options);
    }
    const isAlone = this.#runs.live === 1;
    if (isAlone && parked.ready === 0) this.#keepMore();
    parked.want(this.#count);
    return isAlone ? parked.takeNext(options) : parked.take(options);
  }

  /** A run's plan was sent: where another run is likely, its container joins its networks meanwhile. */
  joinAhead(): void {
    if (this.isServed) this.#parked?.joinAhead();
  }

  get #isCrowded(): boolean {
    return this.#runs.live > CROWD;
  }

  #keepMore(): void {
    this.#count = Math.min(this.#count * 2, MOST_OF_SHAPE);
    this.#hooks.onMore(this);
  }

  #begin(): void {
    // a crowd has said that it wants none
    this.#parked?.want(this.#count);
    if (this.#parked !== null || this.#beginning !== null) return;
    this.#inVain++;
    this.#beginning = this.#begins(this.#options, this.#count).then(
      (parked) => this.#begun(parked),
      () => {
        // the next runs hear of that themselves if it lasts
        this.#beginning = null;
      },
    );
    this.#hooks.onMore(this);
  }

  #begun(parked: Waiting): void {
    this.#beginning = null;
    this.#parked = parked;
    if (parked.isWatched) return;
    // nor could others be
    this.#inVain = MOST_IN_VAIN;
    this.#discard(parked);
  }

  /** Undoes those that wait, unless others are in their place already. */
  #discard(parked: Waiting | null): void {
    if (parked === null || parked !== this.#parked) return;
    this.#parked = null;
    this.#count = 1;
    // what could not be undone stays in the journal, for the next reap
    const closing = Promise.all(this.#launching)
      .then(() => parked.close())
      .catch(() => undefined);
    this.#closing.add(closing);
    void closing.then(() => this.#closing.delete(closing));
  }

  /** Undoes what waits. */
  async undo(): Promise<void> {
    await this.#beginning;
    this.#discard(this.#parked);
    await Promise.all(this.#closing);
  }

  /** Undoes what waits, and parks nothing at the ends of those that live. */
  async forget(): Promise<void> {
    this.#runs.forget();
    await this.undo();
  }
}

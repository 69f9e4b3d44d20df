import { clearTimeout, monotonicMs, setTimeout } from '../../native/clock.js';
import type { Task } from '../../native/task.js';
import type { ParsedOptions } from '../options/container-options.js';
import { haveOneShape, withoutRun } from './parkable.js';
import { type ParkedContainer, ParkedContainers } from './parked-containers.js';

/** How long what is parked is kept after the last run's start or end, in ms. */
const KEPT = 1000;
/** The most that a run lives for another container to be parked for the next one, in ms. */
const SHORT = 100;
/** The most that wait. One does for runs with pauses; of runs that follow at once each would wait for the one that is being made. */
const MOST = 4;
/** More runs than these at once keep all processors busy: what would be made for the next ones beside them would only come before them. */
const CROWD = 2;
/** So often containers are parked that no run takes, until that is given up. */
const MOST_IN_VAIN = 2;

/** The runs of one shape, and the containers that are parked for them. */
export class ParkedShape {
  readonly #options: ParsedOptions;
  readonly #folder: string;
  readonly #unused: () => void;
  #parked: ParkedContainers | null = null;
  #beginning: Promise<void> | null = null;
  readonly #closing = new Set<Promise<void>>();
  #count = 1;
  #inVain = 0;
  #begun = 0;
  #live = 0;
  /** How long the newest one that has ended lived. */
  #livedMs = 0;
  #timer: NodeJS.Timeout | undefined;

  /**
   * @param folder the folder that relative paths are of
   * @param unused called when there has been no run of this shape for a while
   */
  constructor(options: ParsedOptions, folder: string, unused: () => void) {
    this.#options = withoutRun(options);
    this.#folder = folder;
    this.#unused = unused;
  }

  isOf(options: ParsedOptions, folder: string): boolean {
    return this.#folder === folder && haveOneShape(this.#options, options);
  }

  /** Whether the next runs get what is parked: then nothing else is made ahead for them. */
  get isServed(): boolean {
    return this.#isLikely && this.#live <= CROWD;
  }

  /** Whether another run is likely, and as short as those before. */
  get #isLikely(): boolean {
    return this.#begun > 1 && this.#livedMs <= SHORT && this.#inVain < MOST_IN_VAIN;
  }

  hasBegun(): void {
    this.#begun++;
    this.#live++;
    this.#keep();
  }

  /** What has begun did not become a container. */
  hasFailed(): void {
    this.#live--;
  }

  /** The container of a run is there. */
  runs({ emptied }: Pick<Task, 'emptied'>): void {
    const began = monotonicMs();
    const ended = (): void => this.#hasEnded(monotonicMs() - began);
    void emptied.then(ended, ended);
  }

  #hasEnded(livedMs: number): void {
    this.#live--;
    this.#livedMs = livedMs;
    if (!this.#isLikely) this.#discard();
    else if (this.#live < CROWD) this.#begin();
    this.#keep();
  }

  /** One that is as a container would be that is made now. A single run waits for one that is being made; `null`: there is none for this run. */
  async take(options: ParsedOptions): Promise<ParkedContainer | null> {
    try {
      const taken = await this.#take(options);
      if (taken !== null) this.#inVain = 0;
      return taken;
    } catch {
      // the run is made without, and gets the failure itself if there is one
      this.#discard();
      return null;
    }
  }

  async #take(options: ParsedOptions): Promise<ParkedContainer | null> {
    const isAlone = this.#live === 1;
    if (isAlone) await this.#beginning;
    const parked = this.#parked;
    if (parked === null) return null;
    const isCrowded = this.#live > CROWD;
    if (isCrowded) parked.want(0);
    if (isCrowded && parked.ready === 0) return null;
    const isCurrent = !parked.hasFailed && (await parked.isCurrent());
    // another run may have found that out meanwhile
    if (this.#parked !== parked) return null;
    if (!isCurrent) {
      this.#discard();
      return null;
    }
    if (isAlone && parked.ready === 0) this.#count = Math.min(this.#count * 2, MOST);
    if (!isCrowded) parked.want(this.#count);
    return isAlone ? parked.takeNext(options) : parked.take(options);
  }

  #begin(): void {
    if (this.#parked !== null || this.#beginning !== null) return;
    this.#inVain++;
    this.#beginning = ParkedContainers.begin(this.#options, this.#count).then(
      (parked) => {
        this.#beginning = null;
        this.#parked = parked;
      },
      () => {
        // nor would another try be of use
        this.#beginning = null;
        this.#inVain = MOST_IN_VAIN;
      },
    );
  }

  #discard(): void {
    const parked = this.#parked;
    this.#parked = null;
    if (parked === null) return;
    // what could not be undone stays in the journal, for the next reap
    const closing = parked.close().catch(() => undefined);
    this.#closing.add(closing);
    void closing.then(() => this.#closing.delete(closing));
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
    await this.#beginning;
    this.#discard();
    await Promise.all(this.#closing);
  }

  /** Undoes what waits, and parks nothing at the ends of those that live. */
  async forget(): Promise<void> {
    this.#begun = 0;
    await this.undo();
  }
}

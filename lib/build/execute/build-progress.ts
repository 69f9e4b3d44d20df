import type { BuildEvent, BuildStep } from './build-options.js';
import type { EventFeed } from './event-feed.js';

/** What is told of a build, whose stages go on side by side: steps are numbered as they begin. */
export class BuildProgress {
  readonly #listener: ((event: BuildEvent) => void) | undefined;
  readonly #feed: EventFeed<BuildEvent>;
  #number = 0;
  #total = 0;

  constructor(listener: ((event: BuildEvent) => void) | undefined, feed: EventFeed<BuildEvent>) {
    this.#listener = listener;
    this.#feed = feed;
  }

  /** So many more steps are to be carried out, as is known by now. */
  add(steps: number): void {
    this.#total += steps;
  }

  /** @returns the step's number */
  async begin(step: Pick<BuildStep, 'stage' | 'instruction' | 'line' | 'platform'>): Promise<number> {
    const number = ++this.#number;
    await this.tell({ type: 'step', ...step, number, of: this.#total });
    return number;
  }

  /** @returns when whoever reads the events has room for more; throws what the listener throws */
  async tell(event: BuildEvent): Promise<void> {
    this.#listener?.(event);
    await this.#feed.tell(event);
  }

  /** Tells of something that is told anew soon, to those who are ready to hear of it. */
  mention(event: BuildEvent): void {
    this.#listener?.(event);
    this.#feed.offer(event);
  }
}

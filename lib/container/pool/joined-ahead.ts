import type { Streams } from '../../process/streams/child-end.js';
import type { ParsedOptions } from '../options/container-options.js';
import { joinLater } from './join-later.js';
import { letGo, restOf } from './launch-pooled.js';
import type { ParkedContainer } from './parked-container.js';

/** A run whose plan was just sent. */
export interface SentRun {
  readonly options: ParsedOptions;
  readonly streams: Streams;
}

/**
 * Of the containers that wait without their networks, the one that the next run takes: it has an address, and its plan is encoded, while the run before is
 * under way. It has no link, no name and no lease yet, only what this process offers.
 */
export class JoinedAhead {
  #joined: ParkedContainer | null = null;
  #joining: Promise<void> | null = null;
  /** None could join, or all are to go. */
  #isOver = false;

  get ready(): number {
    return this.#joined === null ? 0 : 1;
  }

  /** Has one join, unless one has. @param next takes one; `null`: there is none */
  begin(next: () => Promise<ParkedContainer | null>, before: SentRun): void {
    if (this.#isOver || this.#joined !== null || this.#joining !== null) return;
    const settle = (joined: ParkedContainer | null): void => {
      this.#joined = joined;
      this.#joining = null;
    };
    const refuse = (): void => {
      // the next runs join by themselves, and get the failure themselves if there is one
      this.#isOver = true;
      settle(null);
    };
    this.#joining = joined(next, before).then(settle, refuse);
  }

  /** Resolves when none is about to join. */
  async settled(): Promise<void> {
    await this.#joining;
  }

  /** `null`: none has joined. */
  take(options: ParsedOptions): ParkedContainer | null {
    const joined = this.#joined;
    this.#joined = null;
    return joined?.forRun(options) ?? null;
  }

  /** Lets the one go that has joined. */
  async leave(): Promise<void> {
    await this.#joining;
    const joined = this.#joined;
    this.#joined = null;
    await letGo(joined);
  }

  /** The same; and none joins any more. */
  async close(): Promise<void> {
    this.#isOver = true;
    await this.leave();
  }
}

async function joined(next: () => Promise<ParkedContainer | null>, { options, streams }: SentRun): Promise<ParkedContainer | null> {
  const container = await next();
  const joined = container && (await joinLater(container, { isAhead: true }));
  try {
    if (joined !== null) restOf(joined.forRun(options), streams);
    return joined;
  } catch (error) {
    await letGo(joined);
    throw error;
  }
}

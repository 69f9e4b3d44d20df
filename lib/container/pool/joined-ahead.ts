import type { Streams } from '../../process/streams/child-end.js';
import { addSpareUses } from '../../store/spare-uses.js';
import type { ParsedOptions } from '../options/container-options.js';
import { joinNow } from './join-later.js';
import { letGo, restOf } from './launch-pooled.js';
import type { ParkedContainer } from './parked-container.js';

/** A run whose plan was just sent. */
export interface SentRun {
  readonly options: ParsedOptions;
  readonly streams: Streams;
}

/** The container that the next run takes. */
interface Next {
  readonly waiting: ParkedContainer;
  /** The same with its networks; `null`: it has none yet. */
  readonly joined: ParkedContainer | null;
}

/** All that may have an address, of shapes that are forgotten too. */
const all = new Set<JoinedAhead>();

/**
 * Of the containers that wait without their networks, the one that the next run takes: it has an address, and its plan is encoded, while the run before is
 * under way. It has no link, no name and no lease yet, only what this process offers.
 */
export class JoinedAhead {
  #next: Next | null = null;
  /** One is taken, and joins. */
  #joining: Promise<void> | null = null;
  /** The second half of that: what it takes of the networks is there when this resolves. */
  #attaching: Promise<void> | null = null;
  /** What is taken meanwhile is not to join. */
  #isLeft = false;
  /** None could join, or all are to go. */
  #isOver = false;

  get ready(): number {
    return this.#next === null ? 0 : 1;
  }

  /** Has one join, unless one has. @param take takes one; `null`: there is none */
  begin(take: () => Promise<ParkedContainer | null>, before: SentRun): void {
    if (this.#isOver || this.#next !== null || this.#joining !== null) return;
    all.add(this);
    this.#isLeft = false;
    this.#joining = this.#join(take, before).finally(() => {
      this.#joining = null;
    });
  }

  async #join(take: () => Promise<ParkedContainer | null>, before: SentRun): Promise<void> {
    // the runs do both by themselves where it fails, and get the failure themselves if there is one
    const waiting = await take().catch(() => null);
    if (waiting === null) return;
    this.#attaching = this.#attach(waiting, before);
    await this.#attaching;
    this.#attaching = null;
  }

  async #attach(waiting: ParkedContainer, before: SentRun): Promise<void> {
    const joined = this.#isLeft ? null : await joinedFor(waiting, before).catch(() => null);
    this.#isOver ||= joined === null && !this.#isLeft;
    this.#next = { waiting, joined };
  }

  /** Resolves when none is about to join. */
  async settled(): Promise<void> {
    await this.#joining;
  }

  /** `null`: there is none. */
  take(options: ParsedOptions): ParkedContainer | null {
    const next = this.#next;
    this.#next = null;
    return next === null ? null : (next.joined ?? next.waiting).forRun(options);
  }

  /** Gives back the address. The container waits on without one. @throws SyscallError */
  async leave(): Promise<void> {
    this.#isLeft = true;
    await this.#attaching;
    const next = this.#next;
    if (next === null) return;
    this.#next = { ...next, joined: null };
    next.joined?.networks?.release();
  }

  /** Lets the container go, and has none join any more. */
  async close(): Promise<void> {
    this.#isOver = true;
    await this.#joining;
    const next = this.#next;
    this.#next = null;
    try {
      // nobody who wants the address waits until the container is gone
      next?.joined?.networks?.release();
    } finally {
      all.delete(this);
      await letGo(next?.waiting ?? null);
    }
  }
}

addSpareUses('addresses', async () => {
  await Promise.all([...all].map((one) => one.leave()));
});

/** @throws as {@link joinNow}; what planning throws */
async function joinedFor(waiting: ParkedContainer, { options, streams }: SentRun): Promise<ParkedContainer | null> {
  const joined = await joinNow(waiting, { isAhead: true });
  try {
    if (joined !== null) restOf(joined.forRun(options), streams);
    await joined?.networks?.ready();
    return joined;
  } catch (error) {
    joined?.networks?.release();
    throw error;
  }
}

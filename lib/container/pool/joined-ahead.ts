import { privilege } from '../../host/privilege.js';
import { addSpareUses } from '../../store/spare-uses.js';
import type { ParsedOptions } from '../options/container-options.js';
import { joinNow } from './join-later.js';
import { letGo } from './launch-pooled.js';
import { type LinkCalls, LinkShapes } from './link-shapes.js';
import type { ParkedContainer } from './parked-container.js';

/** The container that the next run takes. */
interface Next {
  readonly waiting: ParkedContainer;
  /** The same with its networks; `null`: it has none yet. */
  readonly joined: ParkedContainer | null;
  /** `null`: the run makes its links. */
  readonly links: LinkCalls | null;
  /** Resolves when it has these, rejects when it can't have them; `null`: nobody has asked for them yet. */
  readonly linked: Promise<unknown> | null;
}

/** A container with an address. */
export interface Joined {
  readonly container: ParkedContainer;
  readonly links: LinkCalls | null;
}

/** Has one join its networks; `null`: it can't. */
export type Joins = (waiting: ParkedContainer) => Promise<Joined | null>;

/** All that may have an address, of shapes that are forgotten too. */
const all = new Set<JoinedAhead>();

/**
 * Of the containers that wait without their networks, the one that the next run takes: it has an address while the run before is under way, and gets
 * its links once that has ended: the shim, which does one thing after the other, sees to the run first. A run that comes meanwhile is sent
 * behind what makes them. Until its own run it has no name and no lease, only what this process offers.
 */
export class JoinedAhead {
  readonly #joins: Joins;
  #next: Next | null = null;
  /** One is taken, and joins. */
  #joining: Promise<void> | null = null;
  /** The second half of that: what it takes of the networks is there when this resolves. */
  #attaching: Promise<void> | null = null;
  /** The one that the next run takes gives back what it has: meanwhile no run takes it. */
  #leaving: Promise<void> | null = null;
  /** The run has ended for whose next one this is. */
  #isDue = false;
  /** What is taken meanwhile is not to join. */
  #isLeft = false;
  /** None could join, or all are to go. */
  #isOver = false;

  constructor(joins: Joins = joinsWith(new LinkShapes())) {
    this.#joins = joins;
  }

  get ready(): number {
    return this.#next === null ? 0 : 1;
  }

  /** Has one join, unless one has. @param take takes one; `null`: there is none */
  begin(take: () => Promise<ParkedContainer | null>): void {
    if (this.#isOver || this.#next !== null || this.#joining !== null || this.#leaving !== null) return;
    all.add(this);
    this.#isLeft = false;
    this.#isDue = false;
    this.#joining = this.#join(take).finally(() => {
      this.#joining = null;
    });
  }

  async #join(take: () => Promise<ParkedContainer | null>): Promise<void> {
    // the runs do both by themselves where it fails, and get the failure themselves if there is one
    const waiting = await take().catch(() => null);
    if (waiting === null) return;
    this.#attaching = this.#attach(waiting);
    await this.#attaching;
    this.#attaching = null;
  }

  async #attach(waiting: ParkedContainer): Promise<void> {
    const joined = this.#isLeft ? null : await this.#joins(waiting).catch(() => null);
    this.#isOver ||= joined === null && !this.#isLeft;
    this.#next = { waiting, joined: joined?.container ?? null, links: joined?.links ?? null, linked: null };
    if (this.#isDue && !this.#isLeft) this.link();
  }

  /** The run has ended: has the one that has joined, or will, get its links. */
  link(): void {
    this.#isDue = true;
    const next = this.#next;
    if (this.#leaving !== null || !next?.joined || next.links === null || next.linked !== null) return;
    const linked = next.joined.parked.beginning.callEncoded(next.links.make);
    this.#next = { ...next, linked };
    linked.catch(() => this.#failed(linked));
  }

  /** A run that has taken it makes the links anew, and gets the failure itself if there is one. */
  #failed(linked: Promise<unknown>): void {
    const next = this.#next;
    if (next?.linked !== linked || this.#leaving !== null) return;
    this.#isOver = true;
    this.#next = null;
    // what could not be given back stays in the journal, for the next reap
    letGo(next.joined).catch(() => undefined);
  }

  /** Resolves when none is about to join, or to give back what it has. */
  async settled(): Promise<void> {
    await this.#joining;
    await this.#leaving;
  }

  /** `null`: there is none. */
  take(options: ParsedOptions): ParkedContainer | null {
    if (this.#leaving !== null) return null;
    const next = this.#next;
    this.#next = null;
    return next === null ? null : (next.joined ?? next.waiting).forRun(options);
  }

  /** Gives back the address. The container waits on without one. @throws SyscallError */
  async leave(): Promise<void> {
    this.#isLeft = true;
    await this.#attaching;
    while (this.#leaving !== null) await this.#leaving;
    const left = this.#leave();
    const over = (): void => {
      this.#leaving = null;
    };
    this.#leaving = left.then(over, over);
    await left;
  }

  async #leave(): Promise<void> {
    const next = this.#next;
    if (!next?.joined) return;
    const { waiting, joined } = next;
    const isAsBefore = await withoutLinks(next);
    this.#next = isAsBefore ? { waiting, joined: null, links: null, linked: null } : null;
    try {
      if (!isAsBefore) await letGo(waiting);
    } finally {
      joined.networks?.release();
    }
  }

  /** Lets the container go, and has none join any more. */
  async close(): Promise<void> {
    this.#isOver = true;
    await this.#joining;
    try {
      await this.leave();
    } finally {
      all.delete(this);
      const next = this.#next;
      this.#next = null;
      await letGo(next?.waiting ?? null);
    }
  }
}

/** Takes back its links, if it has any. `false`: it has ended, or can't give them up otherwise. */
async function withoutLinks({ waiting, links, linked }: Next): Promise<boolean> {
  if (links === null || linked === null) return true;
  try {
    await linked;
    await waiting.parked.beginning.call(links.remove());
    return true;
  } catch {
    return false;
  }
}

addSpareUses('addresses', async () => {
  await Promise.all([...all].map((one) => one.leave()));
});

/** @throws as {@link joinNow}; what planning throws */
function joinsWith(shapes: LinkShapes): Joins {
  return async (waiting) => {
    const container = await joinNow(waiting, { isAhead: true });
    if (container === null) return null;
    try {
      // an ordinary user's networks are in a namespace that would stay as long as the container waits
      const links = container.networks === null || privilege().kind !== 'root' ? null : shapes.callsOf(container, container.networks);
      await container.networks?.ready();
      return { container, links };
    } catch (error) {
      container.networks?.release();
      throw error;
    }
  };
}

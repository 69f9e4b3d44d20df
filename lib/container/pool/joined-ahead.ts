import { privilege } from '../../host/privilege.js';
import type { Streams } from '../../process/streams/child-end.js';
import { addSpareUses } from '../../store/spare-uses.js';
import type { ParsedOptions } from '../options/container-options.js';
import { type LinkSteps, planLinks } from '../plan/pool-plan.js';
import { joinNow, withLinks } from './join-later.js';
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
  /** `null`: the run makes its links. */
  readonly links: Links | null;
}

export interface Links {
  readonly steps: LinkSteps;
  /** The container that has them. */
  readonly linked: ParkedContainer;
}

/** A container with an address. */
export interface Joined {
  readonly container: ParkedContainer;
  readonly links: Links | null;
}

/** Has one join its networks; `null`: it can't. */
export type Joins = (waiting: ParkedContainer, before: SentRun) => Promise<Joined | null>;

/** All that may have an address, of shapes that are forgotten too. */
const all = new Set<JoinedAhead>();

/**
 * Of the containers that wait without their networks, the one that the next run takes: it has an address, and its plan is encoded, while the run before is
 * under way, and gets its links once the program of that run was started. Until its own run it has no name and no lease, only what this process offers.
 */
export class JoinedAhead {
  readonly #joins: Joins;
  #next: Next | null = null;
  /** One is taken, and joins. */
  #joining: Promise<void> | null = null;
  /** The second half of that: what it takes of the networks is there when this resolves. */
  #attaching: Promise<void> | null = null;
  /** The one that the next run takes gets its links, or gives back what it has: meanwhile no run takes it. */
  #changing: Promise<void> | null = null;
  /** The program was started for whose next run this is. */
  #isDue = false;
  /** What is taken meanwhile is not to join. */
  #isLeft = false;
  /** None could join, or all are to go. */
  #isOver = false;

  constructor(joins: Joins = joinedFor) {
    this.#joins = joins;
  }

  get ready(): number {
    return this.#next === null ? 0 : 1;
  }

  /** Has one join, unless one has. @param take takes one; `null`: there is none */
  begin(take: () => Promise<ParkedContainer | null>, before: SentRun): void {
    if (this.#isOver || this.#next !== null || this.#joining !== null || this.#changing !== null) return;
    all.add(this);
    this.#isLeft = false;
    this.#isDue = false;
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
    const joined = this.#isLeft ? null : await this.#joins(waiting, before).catch(() => null);
    this.#isOver ||= joined === null && !this.#isLeft;
    this.#next = { waiting, joined: joined?.container ?? null, links: joined?.links ?? null };
    if (this.#isDue) this.link();
  }

  /** The program was started: gives its links to the one that has joined, or will, unless it has these. */
  link(): void {
    this.#isDue = true;
    // what could not be given back stays in the journal, for the next reap
    if (this.#changing === null) void this.#change(() => this.#link()).catch(() => undefined);
  }

  async #link(): Promise<void> {
    await this.#attaching;
    const next = this.#next;
    if (!next?.links || next.joined?.isLinked) return;
    const { steps, linked } = next.links;
    try {
      await linked.parked.beginning.call(steps.make);
      this.#next = { ...next, joined: linked };
    } catch {
      // a run that makes its links itself gets the failure itself if there is one
      this.#isOver = true;
      this.#next = null;
      await letGo(linked);
    }
  }

  async #change(work: () => Promise<void>): Promise<void> {
    while (this.#changing !== null) await this.#changing;
    const changed = work();
    const over = (): void => {
      this.#changing = null;
    };
    this.#changing = changed.then(over, over);
    await changed;
  }

  /** Resolves when none is about to join, or to get its links. */
  async settled(): Promise<void> {
    await this.#joining;
    await this.#changing;
  }

  /** `null`: there is none. */
  take(options: ParsedOptions): ParkedContainer | null {
    if (this.#changing !== null) return null;
    const next = this.#next;
    this.#next = null;
    return next === null ? null : (next.joined ?? next.waiting).forRun(options);
  }

  /** Gives back the address. The container waits on without one. @throws SyscallError */
  async leave(): Promise<void> {
    this.#isLeft = true;
    await this.#attaching;
    await this.#change(() => this.#leave());
  }

  async #leave(): Promise<void> {
    const next = this.#next;
    if (!next?.joined) return;
    const { waiting, joined, links } = next;
    const isAsBefore = !joined.isLinked || (await withoutLinks(waiting, links));
    this.#next = isAsBefore ? { waiting, joined: null, links: null } : null;
    if (!isAsBefore) await letGo(waiting);
    joined.networks?.release();
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

/** `false`: it has ended, or can't give them up otherwise. */
function withoutLinks({ parked }: ParkedContainer, links: Links | null): Promise<boolean> {
  const removed = parked.beginning.call(links?.steps.remove ?? []);
  return removed.then(
    () => true,
    () => false,
  );
}

addSpareUses('addresses', async () => {
  await Promise.all([...all].map((one) => one.leave()));
});

/** @throws as {@link joinNow}; what planning throws */
async function joinedFor(waiting: ParkedContainer, { options, streams }: SentRun): Promise<Joined | null> {
  const container = await joinNow(waiting, { isAhead: true });
  if (container === null) return null;
  try {
    const links = linksOf(container);
    // the rest of the plan that the next run is likely to have is there when that comes
    restOf((links?.linked ?? container).forRun(options), streams);
    await container.networks?.ready();
    return { container, links };
  } catch (error) {
    container.networks?.release();
    throw error;
  }
}

/** `null`: the run makes them. An ordinary user's networks are in a namespace that would stay as long as the container waits. */
function linksOf(container: ParkedContainer): Links | null {
  const { networks, plan, options } = container;
  const steps = networks === null || privilege().kind !== 'root' ? null : planLinks(plan, networks, options);
  return steps === null ? null : { steps, linked: withLinks(container) };
}

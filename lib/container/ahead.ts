import { clearTimeout, setImmediate, setTimeout } from '../native/clock.js';
import { encodePlan } from '../native/encode.js';
import { beginLater } from '../native/shim.js';
import type { Beginning } from '../native/task.js';
import { newId } from '../plan/id.js';
import type { Descriptors, Plan } from '../plan/plan.js';

/**
 * The next container's first part: namespaces, groups, /proc, /dev and the like, which are the same for every container of a
 * shape and take the kernel longer than all the rest. It is sent when two containers in a row had one shape, and begins in the
 * turn of the event loop after one of them has ended, or when the next container is asked for: the shim does one thing
 * after the other, and must not learn of an end late because of it. It goes when no container comes soon.
 */
export interface Ahead {
  readonly id: string;
  readonly body: string;
  readonly beginning: Beginning;
}

/** How long one is kept after a container's end, in ms. */
const KEPT = 1000;

let ahead: Ahead | null = null;
let timer: NodeJS.Timeout | undefined;
/** Of the newest container: its first part as it travels, without its name. */
let shape: string | null = null;

/** The one that is there, for the caller alone. */
export function takeAhead(): Ahead | null {
  const taken = ahead;
  ahead = null;
  clearTimeout(timer);
  return taken === null || taken.beginning.over ? null : taken;
}

/** It was sent what `first` would send. */
export function fits({ beginning, body }: Ahead, first: FirstPart | null): boolean {
  return first !== null && !beginning.over && body === first.body;
}

/** Undoes one that nobody needs. What could not be undone stays in the journal, for the next reap. */
export async function discard({ beginning }: Ahead): Promise<void> {
  await Promise.allSettled([beginning.close()]);
}

/** Undoes the one that is there, and forgets what was run: two more are needed for the next. */
export async function discardAhead(): Promise<void> {
  shape = null;
  const taken = takeAhead();
  if (taken !== null) await discard(taken);
}

const none: Descriptors = new Map();

/** The first part of a container of that name, and its bytes. */
export class FirstPart {
  readonly id: string;
  readonly plan: Plan;
  readonly body: string;

  constructor(id: string, plan: Plan) {
    this.id = id;
    this.plan = plan;
    this.body = Buffer.from(encodePlan(plan, none)).toString('latin1');
  }
}

/** A container has begun: sends the next one's first part if that is likely to be this one's. */
export function makeAhead(first: FirstPart, ended: Promise<unknown>): void {
  // how it failed is told to those who wait for it
  ended.catch(() => undefined).finally(hasEnded);
  const before = shape;
  shape = first.body.replaceAll(first.id, '');
  if (before !== shape || ahead !== null) return;
  const id = newId();
  const body = first.body.replaceAll(first.id, id);
  try {
    ahead = { id, body, beginning: beginLater(first.plan, Buffer.from(body, 'latin1')) };
  } catch {
    // the container that has begun is none the worse; the next one is made as ever, and fails by itself if it must
  }
}

function hasEnded(): void {
  clearTimeout(timer);
  if (ahead === null) return;
  const { beginning } = ahead;
  setImmediate(() => beginning.go());
  timer = setTimeout(() => void discardAhead(), KEPT).unref();
}

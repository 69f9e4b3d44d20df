import { randomBytes } from 'node:crypto';
import { encodePlan } from '../native/encode.js';
import { begin } from '../native/shim.js';
import type { Beginning } from '../native/task.js';
import type { Descriptors, Plan } from '../plan/plan.js';

/**
 * The next container's first part, made while the one before it runs: namespaces, groups, /proc, /dev and the like, which are
 * the same for every container of a shape and take the kernel longer than all the rest. It is made when two
 * containers in a row had one shape, is the next one's when that has it too, and goes when none comes soon.
 */
export interface Ahead {
  readonly id: string;
  readonly body: string;
  readonly beginning: Beginning;
  readonly timer: NodeJS.Timeout;
}

/** How long one is kept, in ms. */
const KEPT = 1000;

let ahead: Ahead | null = null;
/** Of the newest container: its first part as it travels, without its name. */
let shape: string | null = null;

export function newId(): string {
  return randomBytes(16).toString('hex');
}

/** The one that is there, for the caller alone. */
export function takeAhead(): Ahead | null {
  const taken = ahead;
  ahead = null;
  if (taken === null) return null;
  clearTimeout(taken.timer);
  return taken.beginning.over ? null : taken;
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

/** A container has begun: makes the next one's first part if that is likely to be this one's. */
export function makeAhead(first: FirstPart): void {
  const before = shape;
  shape = first.body.replaceAll(first.id, '');
  if (before !== shape || ahead !== null) return;
  const id = newId();
  const body = first.body.replaceAll(first.id, id);
  let beginning: Beginning;
  try {
    beginning = begin(first.plan, Buffer.from(body, 'latin1'));
  } catch {
    // the container that has begun is none the worse; the next one is made as ever, and fails by itself if it must
    return;
  }
  ahead = { id, body, beginning, timer: setTimeout(() => void discardAhead(), KEPT).unref() };
}
